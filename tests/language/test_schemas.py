"""What is known of bodies: shapes, formats by path, and types that come together."""

from typing import Any, get_args, get_type_hints

import anthropic.types as messages
import anthropic.types.beta as betas
import openai.types.chat as chat
import openai.types.responses as responses
import pytest
from anthropic.types.beta import message_count_tokens_params
from anthropic.types.beta import message_create_params as beta_create
from anthropic.types.message_create_params import MessageCreateParamsBase
from openai.types import CompletionUsage
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

from ruleproxy.language.roots import APIS, FRAMING
from ruleproxy.language.schemas import Shape, Shapes, format_of, join, load_schemas, parse_type
from ruleproxy.language.types import INT, STRING, Type, of
from ruleproxy.messages import headers
from ruleproxy.wire import formats


def test_formats_are_those_of_the_wire() -> None:
    """The checker and the proxy know the same formats, and say the same of a path."""
    assert APIS.choices == frozenset(get_args(formats.Api))
    for path in (
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/openai/v1/chat/completions",
        "/v1/responses",
        "/model/us.anthropic.claude/invoke",
        "/model/x/invoke-with-response-stream",
        "/invoke",
        "/v1/projects/p/models/m:rawPredict",
        "/v1/projects/p/models/m:streamRawPredict",
        "/",
    ):
        assert (format_of(path) or "unknown") == formats.api_of(path)


def test_framing_headers_are_those_that_the_messages_refuse() -> None:
    """What a rule cannot write at run time, the checker refuses."""
    assert frozenset(name.decode() for name in headers.FRAMING) == FRAMING


def test_every_shape_that_is_named_exists() -> None:
    """No field, no format points to a shape that is not there."""
    schemas = load_schemas()
    named = {name for known in schemas.formats.values() for name in (*known.request, *known.response)}
    for shape in schemas.shapes.values():
        for field in shape.fields.values():
            assert "nil" in field.kinds
            named |= {part.shape for part in (field, field.item) if part is not None and part.shape is not None}
    assert named <= schemas.shapes.keys()
    assert set(schemas.paths.values()) <= schemas.formats.keys()
    assert all(known.event is None or any(name.startswith(known.event) for name in schemas.shapes)
               for known in schemas.formats.values())  # fmt: skip


def test_parse_type() -> None:
    """A type is written as its alternatives."""
    assert parse_type("string | [anthropic.block]") == Type(
        frozenset(("string", "list")), item=Type(frozenset(("object",)), "anthropic.block")
    )
    assert parse_type("number") == of("int", "float")
    assert parse_type("[string]").item == STRING
    with pytest.raises(ValueError, match="no type 'strnig'"):
        parse_type("strnig")


def test_join_keeps_what_goes_together() -> None:
    """Nil beside an object leaves its shape known; two shapes are known as either."""
    first, second = Type(frozenset(("object",)), "a"), Type(frozenset(("object",)), "b")
    assert join(first, of("nil")) == Type(frozenset(("object", "nil")), "a")
    assert join(first, second).shape == "a|b"
    assert join(first, of("object")).shape is None
    assert join(Type(frozenset(("list",)), item=INT), Type(frozenset(("list",)), item=STRING)).item == of(
        "int", "string"
    )


def test_a_merged_shape_has_the_fields_of_all() -> None:
    """What only one of two shapes has may be nil in the merged one."""
    shapes = Shapes()
    names = [shapes.make(Shape({"a": INT, "b": STRING}, "closed")), shapes.make(Shape({"a": STRING}, "closed"))]
    merged = shapes.find("|".join(sorted(names)))
    assert merged.fields == {"a": of("int", "string"), "b": of("string", "nil")}
    assert merged.growth == "closed"
    assert shapes.make(Shape({"a": STRING}, "closed")) == names[1]


def find_names(kind: Any) -> set[str]:
    """The names of the fields of a type of a client's package: a model, a typed dictionary, or a union of such."""
    if hasattr(kind, "model_fields"):
        return {field.alias or name for name, field in kind.model_fields.items()}
    if isinstance(kind, type):
        return set(get_type_hints(kind)) if issubclass(kind, dict) else set()
    return set().union(*map(find_names, get_args(kind)))


KNOWN_TO_PACKAGES: dict[str, tuple[Any, ...]] = {
    "anthropic.messages": (
        MessageCreateParamsBase,
        beta_create.MessageCreateParamsBase,
        message_count_tokens_params.MessageCountTokensParams,
    ),
    "anthropic.block": (
        messages.ContentBlockParam,
        messages.ContentBlock,
        betas.BetaContentBlockParam,
        betas.BetaContentBlock,
    ),
    "anthropic.tool": (messages.ToolUnionParam, betas.BetaToolUnionParam),
    "anthropic.tool_choice": (messages.ToolChoiceParam, betas.BetaToolChoiceParam),
    "anthropic.thinking": (messages.ThinkingConfigParam, betas.BetaThinkingConfigParam),
    "anthropic.answer": (messages.Message, betas.BetaMessage),
    "anthropic.usage": (messages.Usage, messages.MessageDeltaUsage, betas.BetaUsage),
    "anthropic.count": (messages.MessageTokensCount, betas.BetaMessageTokensCount),
    "anthropic.message": (messages.MessageParam, betas.BetaMessageParam),
    "models.entry": (messages.ModelInfo, betas.BetaModelInfo),
    "openai.chat": (completion_create_params.CompletionCreateParamsBase,),
    "openai.message": (chat.ChatCompletionMessageParam, chat.ChatCompletionMessage),
    "openai.completion": (chat.ChatCompletion, chat.ChatCompletionChunk),
    "openai.part": (chat.ChatCompletionContentPartParam,),
    "openai.tool": (chat.ChatCompletionToolUnionParam,),
    "openai.usage": (CompletionUsage,),
    "openai.responses": (response_create_params.ResponseCreateParamsBase,),
    "openai.response": (responses.Response,),
    "openai.response_tool": (responses.ToolParam,),
    "openai.response_event": (responses.ResponseStreamEvent,),
}


@pytest.mark.parametrize("shape", KNOWN_TO_PACKAGES)
def test_what_is_known_to_the_packages_is_known_here(shape: str) -> None:
    """Of the fields that the Anthropic and OpenAI packages know, nine of ten are in the schemas; a new one may lack."""
    there = find_names(KNOWN_TO_PACKAGES[shape][0]).union(*map(find_names, KNOWN_TO_PACKAGES[shape][1:]))
    missing = there - load_schemas().shapes[shape].fields.keys()
    print(f"{shape} lacks {', '.join(sorted(missing)) or 'nothing'}")  # noqa: T201 (shown with -rA)
    assert there
    assert len(missing) <= len(there) // 10, sorted(missing)
