"""The real SDKs, each asked for the same message: what they make of it, in one shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import anthropic
import boto3
import openai
from botocore.config import Config

MODEL = "claude-opus-4-8"
BEDROCK_MODEL = "us.anthropic.claude-opus-4-8-v1:0"
VERTEX_MODEL = "claude-opus-4-8@20260101"
Headers = Mapping[str, str]
Ask = Callable[[str, Headers, str, bool], dict[str, Any]]
"""Asks the proxy at a URL, with more headers, with this text, for a stream or for a whole answer."""


def _describe(message: Any) -> dict[str, Any]:
    blocks = [block.to_dict() for block in message.content]
    kept = ("type", "text", "id", "name", "input")
    return {
        "content": [{key: block[key] for key in kept if key in block} for block in blocks],
        "stop_reason": message.stop_reason,
        "usage": (message.usage.input_tokens, message.usage.output_tokens),
    }


def _ask_messages(client: Any, model: str, text: str, stream: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": text}]}
    with client:
        if not stream:
            return _describe(client.messages.create(**asked))
        with client.messages.stream(**asked) as events:
            return _describe(events.get_final_message())


def ask_anthropic(url: str, headers: Headers, text: str, stream: bool) -> dict[str, Any]:
    """The plain client, with its helper for streams."""
    client = anthropic.Anthropic(
        api_key="secret-1", base_url=url, max_retries=0, default_headers=headers, http_client=_http()
    )
    return _ask_messages(client, MODEL, text, stream)


def ask_anthropic_bedrock(url: str, headers: Headers, text: str, stream: bool) -> dict[str, Any]:
    """The client that speaks Bedrock, its requests signed."""
    client = anthropic.AnthropicBedrock(
        aws_access_key="AKIAEXAMPLE",
        aws_secret_key="example",
        aws_region="eu-west-1",
        base_url=url,
        max_retries=0,
        default_headers=headers,
        http_client=_http(),
    )
    return _ask_messages(client, BEDROCK_MODEL, text, stream)


def ask_anthropic_vertex(url: str, headers: Headers, text: str, stream: bool) -> dict[str, Any]:
    """The client that speaks Vertex."""
    client = anthropic.AnthropicVertex(
        region="europe-west1",
        project_id="p-1",
        access_token="secret-1",
        base_url=f"{url}/v1",
        max_retries=0,
        default_headers=headers,
        http_client=_http(),
    )
    return _ask_messages(client, VERTEX_MODEL, text, stream)


def _http() -> Any:
    # What is set in the environment of whoever runs the tests is not for the loopback.
    return anthropic.DefaultHttpxClient(trust_env=False)


def make_boto(url: str, headers: Headers) -> Any:
    """boto3's client, with more headers."""
    session = boto3.Session("AKIAEXAMPLE", "example", region_name="eu-west-1")
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    client = session.client("bedrock-runtime", endpoint_url=url, config=config)
    client.meta.events.register("before-call.bedrock-runtime", lambda params, **_: params["headers"].update(headers))
    return client


def ask_boto(url: str, headers: Headers, text: str, stream: bool) -> dict[str, Any]:
    """boto3: whole bodies and frames, put together as its users do."""
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 16,
        "messages": [{"role": "user", "content": text}],
    }
    asked = {"modelId": BEDROCK_MODEL, "body": json.dumps(body)}
    with closing(make_boto(url, headers)) as client:
        if not stream:
            message = json.loads(client.invoke_model(**asked)["body"].read())
        else:
            with closing(client.invoke_model_with_response_stream(**asked)["body"]) as parts:
                message = collect([json.loads(part["chunk"]["bytes"]) for part in parts])
    return {
        "content": message["content"],
        "stop_reason": message["stop_reason"],
        "usage": (message["usage"]["input_tokens"], message["usage"]["output_tokens"]),
    }


def collect(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message of a stream's events, as a client that knows only the documentation puts it together."""
    message: dict[str, Any] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"] | {"partial": ""})
            case "content_block_delta":
                block, delta = message["content"][event["index"]], event["delta"]
                if delta["type"] == "text_delta":
                    block["text"] += delta["text"]
                else:
                    block["partial"] += delta["partial_json"]
            case "content_block_stop":
                block = message["content"][event["index"]]
                partial = block.pop("partial")
                if block["type"] == "tool_use":
                    block["input"] = json.loads(partial)
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    return message


def make_openai(url: str, headers: Headers) -> openai.OpenAI:
    """A client that asks once, and through nothing that the environment names."""
    return openai.OpenAI(
        api_key="secret-1",
        base_url=f"{url}/v1",
        max_retries=0,
        default_headers=headers,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )


def ask_openai(url: str, headers: Headers, text: str, stream: bool) -> dict[str, Any]:
    """The client of chat completions, with its helper for streams."""
    asked: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    with make_openai(url, headers) as client:
        if stream:
            with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
                completion: Any = events.get_final_completion()
        else:
            completion = client.chat.completions.create(**asked)
    (choice,) = completion.choices
    calls = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or []]
    return {
        "content": [choice.message.content, calls],
        "stop_reason": choice.finish_reason,
        "usage": (completion.usage.prompt_tokens, completion.usage.completion_tokens),
    }


def ask_openai_responses(url: str, headers: Headers, text: str, stream: bool) -> dict[str, Any]:
    """The client of responses, with its helper for streams."""
    asked: dict[str, Any] = {"model": "gpt-5", "input": [{"role": "user", "content": text}]}
    with make_openai(url, headers) as client:
        if stream:
            with client.responses.stream(**asked) as events:
                response: Any = events.get_final_response()
        else:
            response = client.responses.create(**asked)
    calls = [(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"]
    return {
        "content": [response.output_text, calls],
        "stop_reason": response.status,
        "usage": (response.usage.input_tokens, response.usage.output_tokens),
    }


CLIENTS: Mapping[str, Ask] = {
    "anthropic": ask_anthropic,
    "anthropic bedrock": ask_anthropic_bedrock,
    "anthropic vertex": ask_anthropic_vertex,
    "boto3": ask_boto,
    "openai": ask_openai,
    "openai responses": ask_openai_responses,
}
