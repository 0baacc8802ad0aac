"""Request bodies and headers of the shape and size that real clients send, made up word by word.

Sizes, key orders, roles and cache marks are those measured with Claude Code 2.1.197 (default model, one short
prompt: 76 kB, of which 64 kB are tools). No text of a client is in here: prompts are drawn from a small word list,
the same ones on every call. Usable from tests and benchmarks alike.
"""

from __future__ import annotations

import json
import random
from typing import Any, Literal

Body = dict[str, Any]
Block = dict[str, Any]
Thinking = Literal["none", "told", "empty_signed", "empty_unsigned", "redacted"]

BETAS = (
    "claude-code-20250219",
    "context-1m-2025-08-07",
    "interleaved-thinking-2025-05-14",
    "thinking-token-count-2026-05-13",
    "context-management-2025-06-27",
    "prompt-caching-scope-2026-01-05",
    "mid-conversation-system-2026-04-07",
    "effort-2025-11-24",
)

_VOCABULARY = (
    "read write list file folder line change small careful test name value when before after each only never path "
    "result error output input string number option default called returns unless because while branch commit server"
)
_WORDS = tuple(_VOCABULARY.split())
_MARKS_BEYOND_ASCII = ("\u2014", "\u2192", "\u2026", "caf\u00e9", "\u201cquoted\u201d", "\U0001f527")
_TOOLS = (
    "Agent Shell Edit Glob Grep ListTasks MakeTask Monitor NotebookEdit OpenPlan ClosePlan Question Read ReadResult "
    "Remind Schedule Search SendNote Skill StopTask Fetch UpdateTask Watch Write Deploy Format Lint Query Rename Trace"
)
_TOOL_NAMES = tuple(_TOOLS.split())
_SIGNATURE = "c2lnbmVkIGJ5IG5vYm9keQ" * 16
_DEVICE = "0123456789abcdef" * 4
_SESSION = "00000000-0000-4000-8000-000000000000"


def encode_body(body: Body) -> bytes:
    """A body as JavaScript clients write it: no spaces, characters beyond ASCII as raw UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def prose(size: int, seed: str) -> str:
    """`size` characters of words; now and then one beyond ASCII, a line end, a quotation mark."""
    source = random.Random(seed)
    words: list[str] = []
    length = 0
    while length <= size:
        word = source.choice(_WORDS)
        chance = source.random()
        if chance < 0.012:
            word = source.choice(_MARKS_BEYOND_ASCII)
        elif chance < 0.05:
            word += ".\n"
        elif chance < 0.07:
            word = f'"{word}"'
        words.append(word)
        length += len(word) + 1
    return " ".join(words)[:size]


def mark() -> dict[str, str]:
    """A fresh cache mark."""
    return {"type": "ephemeral"}


def tool(name: str, size: int) -> Block:
    """A tool of about `size` bytes: name, description and a draft 2020-12 schema, nothing else."""
    properties: dict[str, Any] = {
        "path": {"description": prose(90, name + "path"), "type": "string"},
        "limit": {"description": prose(60, name + "limit"), "type": "integer", "exclusiveMinimum": 0},
        "mode": {"description": prose(60, name + "mode"), "type": "string", "enum": ["all", "first", "none"]},
        "edits": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"from": {"type": "string"}, "to": {"type": "string", "default": ""}},
                "required": ["from", "to"],
                "additionalProperties": False,
            },
        },
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": ["path"],
        "additionalProperties": False,
    }
    made = {"name": name, "description": "", "input_schema": schema}
    made["description"] = prose(max(40, int((size - len(encode_body(made))) * 0.978)), name)
    return made


def tools(count: int, size: int, largest: int) -> list[Block]:
    """`count` tools of about `size` bytes together, one of them of `largest` bytes."""
    each = (size - largest) // (count - 1)
    return [tool(name, largest if number == 1 else each) for number, name in enumerate(_TOOL_NAMES[:count])]


def thinking_blocks(kind: Thinking, seed: str) -> list[Block]:
    """The thinking that a turn of an assistant begins with, as a client replays it."""
    match kind:
        case "none":
            return []
        case "told":
            return [{"type": "thinking", "thinking": prose(400, seed), "signature": _SIGNATURE}]
        case "empty_signed":
            return [{"type": "thinking", "thinking": "", "signature": _SIGNATURE}]
        case "empty_unsigned":
            return [{"type": "thinking", "thinking": "", "signature": ""}]
        case "redacted":
            return [{"type": "redacted_thinking", "data": _SIGNATURE}]


def messages(roles: str, thinking: Thinking = "none", *, text_size: int = 400) -> list[Body]:
    """A conversation by its roles, spaces ignored, without cache marks.

    u: user text · a: assistant text · s: system, a string of 6 k · t: assistant text and a tool call · r: the
    user's result of that call. `us t r` is a prompt and one tool round.
    """
    made: list[Body] = []
    called = ""
    for number, role in enumerate(roles.replace(" ", "")):
        seed = f"message {number}"
        text: Block = {"type": "text", "text": prose(text_size, seed)}
        match role:
            case "s":
                made.append({"role": "system", "content": prose(6_000, seed)})
            case "u":
                made.append({"role": "user", "content": [text]})
            case "a":
                made.append({"role": "assistant", "content": [*thinking_blocks(thinking, seed), text]})
            case "t":
                called = f"toolu_{number:022}"
                call_input = {"path": f"/src/{number}.py", "limit": number, "edits": []}
                call = {"type": "tool_use", "id": called, "name": "Read", "input": call_input}
                made.append({"role": "assistant", "content": [*thinking_blocks(thinking, seed), text, call]})
            case "r":
                result = {"tool_use_id": called, "type": "tool_result", "content": text["text"], "is_error": False}
                made.append({"role": "user", "content": [result]})
            case _:
                raise ValueError(f"unknown role {role!r}")
    return made


def claude_code_body(
    roles: str = "us",
    *,
    model: str = "claude-opus-4-8",
    thinking: Thinking = "none",
    extra_marks: int = 0,
) -> Body:
    """A request of Claude Code with its default model; `roles` and `thinking` as `messages` takes them.

    It has three cache marks, the last on the last user message; `extra_marks` more go to the last tools.
    """
    conversation = messages(roles, thinking)
    newest = next(message for message in reversed(conversation) if message["role"] == "user")
    newest["content"][-1]["cache_control"] = mark()
    all_tools = tools(24, 64_000, 21_000)
    for each in all_tools[len(all_tools) - extra_marks :]:
        each["cache_control"] = mark()
    attribution = "x-anthropic-billing-header: cc_version=0.0.0.abc; cc_entrypoint=example-cli;"
    user = {"device_id": _DEVICE, "account_uuid": "", "session_id": _SESSION}
    return {
        "model": model,
        "messages": conversation,
        "system": [
            {"type": "text", "text": attribution},
            {"type": "text", "text": prose(64, "who"), "cache_control": mark()},
            {"type": "text", "text": prose(5_791, "how"), "cache_control": mark()},
        ],
        "tools": all_tools,
        "metadata": {"user_id": json.dumps(user, separators=(",", ":"))},
        "max_tokens": 64_000,
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "stream": True,
    }


def claude_code_headers(token: str = "test-token") -> list[tuple[str, str]]:
    """The headers of its POST in the order and spelling sent, without Host and Content-Length."""
    return [
        ("Accept", "application/json"),
        ("Authorization", f"Bearer {token}"),
        ("Content-Type", "application/json"),
        ("User-Agent", "claude-cli/2.1.197 (external, sdk-cli)"),
        ("X-Claude-Code-Session-Id", _SESSION),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Lang", "js"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-Package-Version", "0.94.0"),
        ("X-Stainless-Retry-Count", "0"),
        ("X-Stainless-Runtime", "node"),
        ("X-Stainless-Runtime-Version", "v24.3.0"),
        ("X-Stainless-Timeout", "600"),
        ("anthropic-beta", ",".join(BETAS)),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("anthropic-version", "2023-06-01"),
        ("x-app", "cli"),
        ("Connection", "keep-alive"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ]


def long_session_body(*, typical: bool) -> Body:
    """A long coding session: about 283 kB, 30 tools, 81 messages.

    Typical: a well-behaved client's, nothing out of order and three cache marks. Worst: each message has something
    to edit (empty unsigned thinking and a call before the text, or a result after the text) and every second one
    carries a cache mark.
    """
    body = claude_code_body("u" + "tr" * 40, thinking="told" if typical else "empty_unsigned")
    body["tools"] = tools(30, 75_000, 21_000)
    for number, message in enumerate(body["messages"]):
        content = message["content"]
        content[-1].pop("cache_control", None)
        if message["role"] == "assistant":
            content[-2]["text"] = prose(1_500 if typical else 2_000, f"answer {number}")
            if not typical:
                content[-2:] = content[:-3:-1]
        elif number:
            content[0]["content"] = prose(2_360 if typical else 2_450, f"result {number}")
            if not typical:
                content.insert(0, {"type": "text", "text": prose(90, f"aside {number}")})
                content[-1]["cache_control"] = mark()
    body["messages"][-1]["content"][-1]["cache_control"] = mark()
    if not typical:
        first = body["messages"][0]["content"]
        first.insert(0, {"type": "text", "text": prose(90, "first"), "cache_control": mark()})
    return body
