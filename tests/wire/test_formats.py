"""Provider formats by path, and their errors."""

from __future__ import annotations

import json

import pytest

from ruleproxy.wire.formats import api_of, client_status, error_body, error_event, error_status, error_type


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/messages", "anthropic.messages"),
        ("/gw/v3/v1/messages", "anthropic.messages"),
        ("/v1/messages/count_tokens", "anthropic.count_tokens"),
        ("/openai/v1/chat/completions", "openai.chat"),
        ("/v1/responses", "openai.responses"),
        ("/model/us.anthropic.x-v1:0/invoke", "bedrock.invoke"),
        ("/model/x/invoke-with-response-stream", "bedrock.invoke"),
        ("/functions/x/invoke", "unknown"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict", "vertex.rawpredict"),
        ("/v1/messages/", "unknown"),
    ],
)
def test_a_path_names_the_format_it_carries(path: str, api: str) -> None:
    """Endings decide, whatever base path comes before them."""
    assert api_of(path) == api


def test_error_types_and_statuses_belong_together() -> None:
    """Both ways; what has no name of its own gets the nearest."""
    assert error_type(429) == "rate_limit_error"
    assert error_type(418) == "invalid_request_error"
    assert error_type(503) == "api_error"
    assert error_status("overloaded_error") == 529
    assert error_status("no_such_error") == 500


def test_errors_have_the_shape_that_the_clients_of_a_format_read() -> None:
    """Anthropic, OpenAI and Bedrock put the message in different places."""
    anthropic = json.loads(error_body("anthropic.messages", "api_error", "no"))
    assert anthropic == {"type": "error", "error": {"type": "api_error", "message": "no"}}
    assert json.loads(error_body("openai.chat", "api_error", "no"))["error"]["message"] == "no"
    assert json.loads(error_body("bedrock.invoke", "api_error", "no")) == {"message": "no"}


@pytest.mark.parametrize(("status", "known"), [(529, 503), (401, 403), (429, 429), (413, 413)])
def test_statuses_that_clients_of_aws_know(status: int, known: int) -> None:
    """Those of the Anthropic API stay for everybody else."""
    assert client_status("bedrock.invoke", status) == known
    assert client_status("anthropic.messages", status) == client_status("unknown", status) == status


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("rate_limit_error", "rate_limit_exceeded"),
        ("invalid_request_error", "invalid_prompt"),
        ("overloaded_error", "server_is_overloaded"),
        ("api_error", "server_error"),
    ],
)
def test_a_response_that_fails_within_its_stream_says_why_in_both_ways(kind: str, code: str) -> None:
    """The SDK of OpenAI raises what stands in `error`, agents read the error of the response."""
    name, data = error_event("openai.responses", kind, "told so")
    event = json.loads(data)
    assert name == event["type"] == "response.failed"
    assert event["error"]["message"] == "told so"
    assert event["response"]["status"] == "failed"
    assert event["response"]["error"] == {"code": code, "message": "told so"}
