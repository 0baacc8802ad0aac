"""Capture files as text: made for people to read and to compare."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest

from ruleproxy.captures.capture import Capture, CapturedEvent, CapturedRequest, CapturedResponse
from ruleproxy.captures.writing import render_capture, write_whole

REQUEST = CapturedRequest(
    "POST",
    b"/v1/messages?beta=true",
    [(b"Content-Type", b"application/json"), (b"X-Name", b"caf\xe9")],
    b'{"model":"claude-sonnet-4-6","max_tokens":16}',
)


def test_one_header_and_one_event_a_line() -> None:
    """And a JSON body spread out, so that a change of one thing is a change of one line."""
    event = CapturedEvent("ping", b'{"type":"ping"}', 12.5)
    capture = Capture(
        REQUEST, response=CapturedResponse(200, [(b"a", b"b")], events=(event,)), at="2026-01-02T03:04:05.006Z"
    )
    assert (
        render_capture(capture).decode()
        == """\
{
  "version": 1,
  "at": "2026-01-02T03:04:05.006Z",
  "request": {
    "method": "POST",
    "path": "/v1/messages?beta=true",
    "headers": [
      ["Content-Type", "application/json"],
      ["X-Name", "caf\u00e9"]
    ],
    "body": {
      "model": "claude-sonnet-4-6",
      "max_tokens": 16
    }
  },
  "response": {
    "status": 200,
    "headers": [
      ["a", "b"]
    ],
    "events": [
      {"type":"ping","data":{"type":"ping"},"at_ms":12.5}
    ]
  }
}
"""
    )


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b'{"a":[1,null,true,"\xc3\xa9"]}', "body"),
        (b"null", "body"),
        (b'{"a": 1}', "body_text"),
        (b'{"a":1e5}', "body_text"),
        (b'{"a":1.10}', "body_text"),
        (b'{"a":123456789012345678901}', "body_text"),
        (b'{"a":"\\u00e9"}', "body_text"),
        (b'{"a":"\\ud83d"}', "body_text"),
        (b'{"a":1,"a":2}', "body_text"),
        (b'{"a":1}\n', "body_text"),
        (b"[" * 252 + b"]" * 252, "body_text"),
        (b"\r\nplain", "body_text"),
        (b"\xff\xfe", "body_base64"),
    ],
)
def test_a_body_is_json_only_where_that_says_every_byte(body: bytes, form: str) -> None:
    """Else it is exact text, and base64 where it is no text."""
    written = orjson.loads(render_capture(Capture(CapturedRequest("POST", b"/", [], body))))["request"]
    assert [name for name in written if name.startswith("body")] == [form]


def test_an_empty_body_is_left_out() -> None:
    """Like everything that there is nothing to say of."""
    assert list(orjson.loads(render_capture(Capture(CapturedRequest("GET", b"/", []))))["request"]) == [
        "method",
        "path",
        "headers",
    ]


def test_what_did_not_change_is_not_written_twice() -> None:
    """A body that went out or was passed on as it came is named, not repeated."""
    answer = CapturedResponse(200, [], b"ok")
    written = orjson.loads(render_capture(Capture(REQUEST, REQUEST, answer, answer=answer)))
    assert written["sent"]["body_as"] == "request"
    assert written["answer"]["body_as"] == "response"
    assert "body" not in written["sent"]


def test_a_file_appears_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    """Nothing is left beside it, also where the writing fails."""
    file = tmp_path / "a.json"
    size = write_whole(file, render_capture(Capture(REQUEST)))
    assert file.stat().st_size == size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (tmp_path / "b.json").mkdir()
    with pytest.raises(OSError, match=r"b\.json"):
        write_whole(tmp_path / "b.json", render_capture(Capture(REQUEST)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]
