"""Which provider format a path belongs to, and what an error looks like in it."""

from __future__ import annotations

from typing import Literal

import orjson

from ruleproxy.messages.message import Headers

Api = Literal[
    "anthropic.messages",
    "anthropic.count_tokens",
    "openai.chat",
    "openai.responses",
    "bedrock.invoke",
    "vertex.rawpredict",
    "unknown",
]

_ENDINGS: tuple[tuple[str, Api], ...] = (
    ("/v1/messages", "anthropic.messages"),
    ("/v1/messages/count_tokens", "anthropic.count_tokens"),
    ("/chat/completions", "openai.chat"),
    ("/responses", "openai.responses"),
    ("/invoke", "bedrock.invoke"),
    ("/invoke-with-response-stream", "bedrock.invoke"),
    (":rawPredict", "vertex.rawpredict"),
    (":streamRawPredict", "vertex.rawpredict"),
)

# The error types of the Anthropic API by status: https://docs.anthropic.com/en/api/errors
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
ERROR_TYPES = tuple(_ERROR_TYPES.values())
_ERROR_STATUSES = {kind: status for status, kind in _ERROR_TYPES.items()}


# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html, "Errors"
_AMAZON_ERRORS = {
    "invalid_request_error": "ValidationException",
    "authentication_error": "UnrecognizedClientException",
    "permission_error": "AccessDeniedException",
    "not_found_error": "ResourceNotFoundException",
    "request_too_large": "ValidationException",
    "rate_limit_error": "ThrottlingException",
    "timeout_error": "ModelTimeoutException",
    "overloaded_error": "ServiceUnavailableException",
}

# The codes of an OpenAI response that failed, of which agents know what to do.
_RESPONSE_ERRORS = {
    "invalid_request_error": "invalid_prompt",
    "rate_limit_error": "rate_limit_exceeded",
    "overloaded_error": "server_is_overloaded",
}

_AMAZON_STATUSES = {401: 403, 529: 503}


def api_of(path: str) -> Api:
    """The provider format that a request path (decoded, without query) is known to carry."""
    for ending, api in _ENDINGS:
        if path.endswith(ending) and (api != "bedrock.invoke" or "/model/" in path):
            return api
    return "unknown"


def error_type(status: int) -> str:
    """The Anthropic error type for a status; `api_error` for one that has none of its own."""
    return _ERROR_TYPES.get(status, "invalid_request_error" if 400 <= status < 500 else "api_error")


def error_status(kind: str) -> int:
    """The status that an Anthropic error type comes with; 500 (clients ask again) for an unknown one."""
    return _ERROR_STATUSES.get(kind, 500)


def client_status(api: Api, status: int) -> int:
    """The status that the clients of a format know for an error of the Anthropic API."""
    return _AMAZON_STATUSES.get(status, status) if api == "bedrock.invoke" else status


def error_object(api: Api, kind: str, message: str) -> dict[str, object]:
    """An error body in the shape that the clients of a format read; `kind` is an Anthropic error type."""
    match api:
        case "openai.chat" | "openai.responses":
            return {"error": {"message": message, "type": kind, "param": None, "code": None}}
        case "bedrock.invoke":
            return {"message": message}
        case _:
            return {"type": "error", "error": {"type": kind, "message": message}}


def error_body(api: Api, kind: str, message: str) -> bytes:
    """`error_object` as JSON."""
    return orjson.dumps(error_object(api, kind, message))


def error_event(api: Api, kind: str, message: str) -> tuple[str, bytes]:
    """The name and the data of the server-sent event that tells the clients of a format of an error."""
    match api:
        case "openai.chat":
            return "", error_body(api, kind, message)
        case "openai.responses":
            # The SDK (openai 3.54) raises what has `error`, agents (Codex 0.169) read why the response failed.
            response = {
                "id": "resp_failed",
                "object": "response",
                "created_at": 0,
                "model": "",
                "status": "failed",
                "error": {"code": _RESPONSE_ERRORS.get(kind, "server_error"), "message": message},
                "output": [],
            }
            told = {"type": "response.failed", "response": response, **error_object(api, kind, message)}
            return "response.failed", orjson.dumps(told)
        case "bedrock.invoke":
            return "error", error_body("unknown", kind, message)
        case _:
            return "error", error_body(api, kind, message)


def error_headers(api: Api, kind: str) -> Headers:
    """The headers of an error body; AWS clients read the name of an error there."""
    headers = [(b"content-type", b"application/json")]
    if api == "bedrock.invoke":
        headers.append((b"x-amzn-ErrorType", _AMAZON_ERRORS.get(kind, "InternalServerException").encode()))
    return headers
