"""Whole messages and single events of the Anthropic format."""

from __future__ import annotations

import pytest

from ruleproxy.wire.anthropic import read_message
from ruleproxy.wire.whole import NotAMessageError


def test_a_message_is_opened_two_levels_deep() -> None:
    """Fields and blocks, each value as the upstream spelled it; a byte-order mark is passed over."""
    message = read_message(b'\xef\xbb\xbf{"type":"message","content":[{"type":"tool_use","input":{"n": 1e5}}]} \n')
    assert message.blocks == [{"type": b'"tool_use"', "input": b'{"n": 1e5}'}]
    assert message.fields["type"] == b'"message"'


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        (b"", "empty", "empty"),
        (b" \r\n", "empty", "empty"),
        (b"<!DOCTYPE html><title>Sign in</title>", "html", "markup"),
        (b"upstream connect error", "not_json", "not a JSON object"),
        (b'["a"]', "not_json", "not a JSON object"),
        (b'{"content":[}', "not_json", "not a JSON object"),
        (b'{"type":"message","content":[{"type":"text","text":"\xff"}]}', "not_json", "not UTF-8 at byte 52"),
        (b'{"type":"error","error":{"type":"api_error","message":"no"}}', "error", "error object"),
        (b'{"error":{"code":"Quota"}}', "error", "error object"),
        (b'{"type":"completion","completion":"x"}', "other_shape", "'completion'"),
        (b'{"object":"chat.completion","choices":[]}', "other_shape", "no content"),
        (b'{"type":"message","content":"text"}', "other_shape", "not a list"),
        (b'{"type":"message","content":["text"]}', "other_shape", "content.0 is not an object"),
        (b'{"type":"message","content":[{"text":"a"}]}', "other_shape", "content.0 has no type"),
    ],
)
def test_what_is_no_message_is_named(body: bytes, reason: str, words: str) -> None:
    """The caller can tell a login page from an error object from another format."""
    with pytest.raises(NotAMessageError, match=words) as caught:
        read_message(body)
    assert caught.value.reason == reason
