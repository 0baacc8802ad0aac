"""What the gateway takes: the request as a table, and the betas it has heard of.

Modelled on Bedrock behind a company's API management: the Messages fields of an older edition, one key of the
gateway's own that must be there, and nothing else.
"""

from __future__ import annotations

from ruleproxy.gateway.shapes import Anything, ListOf, Record, Scalar, Tagged

TEXT = Scalar("string")
FLAG = Scalar("boolean")
COUNT = Scalar("integer", minimum=1)

CACHE_CONTROL = Tagged({"ephemeral": Record({"type": TEXT})})

TEXT_BLOCK = Record(
    {"type": TEXT, "text": TEXT, "citations": Anything(any_type=True), "cache_control": CACHE_CONTROL},
    required=("type", "text"),
)
IMAGE_BLOCK = Record({"type": TEXT, "source": Anything(), "cache_control": CACHE_CONTROL}, required=("type", "source"))
DOCUMENT_BLOCK = Record(
    {
        "type": TEXT,
        "source": Anything(),
        "title": TEXT,
        "context": TEXT,
        "citations": Anything(),
        "cache_control": CACHE_CONTROL,
    },
    required=("type", "source"),
)
TOOL_USE_BLOCK = Record(
    {"type": TEXT, "id": TEXT, "name": TEXT, "input": Anything(), "cache_control": CACHE_CONTROL},
    required=("type", "id", "name", "input"),
)
TOOL_RESULT_BLOCK = Record(
    {
        "type": TEXT,
        "tool_use_id": TEXT,
        "content": ListOf(
            Tagged({"text": TEXT_BLOCK, "image": IMAGE_BLOCK, "document": DOCUMENT_BLOCK}), or_string=True
        ),
        "is_error": FLAG,
        "cache_control": CACHE_CONTROL,
    },
    required=("type", "tool_use_id"),
)
THINKING_BLOCK = Record({"type": TEXT, "thinking": TEXT, "signature": TEXT}, required=("type", "thinking", "signature"))
REDACTED_THINKING_BLOCK = Record({"type": TEXT, "data": TEXT}, required=("type", "data"))

MESSAGE = Record(
    {
        "role": Scalar("string", choices=("user", "assistant")),
        "content": ListOf(
            Tagged(
                {
                    "text": TEXT_BLOCK,
                    "image": IMAGE_BLOCK,
                    "document": DOCUMENT_BLOCK,
                    "tool_use": TOOL_USE_BLOCK,
                    "tool_result": TOOL_RESULT_BLOCK,
                    "thinking": THINKING_BLOCK,
                    "redacted_thinking": REDACTED_THINKING_BLOCK,
                }
            ),
            or_string=True,
        ),
    },
    required=("role", "content"),
)
TOOL = Record(
    {
        "type": TEXT,
        "name": TEXT,
        "description": TEXT,
        "input_schema": Anything(),
        "cache_control": CACHE_CONTROL,
    },
    required=("name", "input_schema"),
)
TOOL_CHOICE = Tagged(
    {
        "auto": Record({"type": TEXT, "disable_parallel_tool_use": FLAG}),
        "any": Record({"type": TEXT, "disable_parallel_tool_use": FLAG}),
        "tool": Record({"type": TEXT, "name": TEXT, "disable_parallel_tool_use": FLAG}, required=("type", "name")),
        "none": Record({"type": TEXT}),
    }
)
THINKING = Tagged(
    {
        "disabled": Record({"type": TEXT}),
        "enabled": Record(
            {"type": TEXT, "budget_tokens": Scalar("integer", minimum=1024)}, required=("type", "budget_tokens")
        ),
    }
)

REQUEST = Record(
    {
        "prompt_text": TEXT,
        "gateway": Anything(),
        "anthropic_version": TEXT,
        "model": TEXT,
        "messages": ListOf(MESSAGE),
        "max_tokens": COUNT,
        "system": ListOf(TEXT_BLOCK, or_string=True),
        "metadata": Record({"user_id": TEXT}),
        "stop_sequences": ListOf(TEXT),
        "stream": FLAG,
        "temperature": Scalar("number", minimum=0),
        "top_k": Scalar("integer", minimum=0),
        "top_p": Scalar("number", minimum=0),
        "tools": ListOf(Tagged({"custom": TOOL}, absent="custom")),
        "tool_choice": TOOL_CHOICE,
        "thinking": THINKING,
    },
    required=("prompt_text", "model", "messages", "max_tokens"),
)

# What Bedrock was probed to accept by the maintainers of Envoy AI Gateway (envoyproxy/ai-gateway#2512). Which values
# are taken differs by model and by month; anything else is refused as a whole with `invalid beta flag`.
KNOWN_BETAS = frozenset(
    {
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dev-full-thinking-2025-05-14",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "mcp-client-2025-04-04",
        "mcp-client-2025-11-20",
        "model-context-window-exceeded-2025-08-26",
        "output-128k-2025-02-19",
        "pdfs-2024-09-25",
        "search-results-2025-06-09",
        "token-counting-2024-11-01",
        "token-efficient-tools-2025-02-19",
        "tool-search-tool-2025-10-19",
        "web-search-2025-03-05",
    }
)
