"""The published JSON schema, `docs/capture.schema.json`, says what is written and read."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given

from captures.test_reading import captures
from ruleproxy.captures.capture import Capture
from ruleproxy.captures.reading import BadCapture, parse_capture
from ruleproxy.captures.redaction import mask_capture
from ruleproxy.captures.writing import render_capture

DOCS = Path(__file__).parents[2] / "docs"
VALIDATOR = jsonschema.Draft202012Validator(orjson.loads((DOCS / "capture.schema.json").read_bytes()))

WHOLE: dict[str, Any] = {
    "version": 1,
    "request": {"method": "POST", "path": "/x", "headers": [["a", "b"]], "body": {"a": 1}},
    "response": {"status": 200, "headers": [], "events": [{"type": "ping", "data": {}, "at_ms": 1.5}]},
    "failure": {"kind": "reset", "message": "gone"},
    "earlier": [{"sent": {"method": "POST", "path": "/x", "body_as": "request"}, "response": {"status": 400}}],
    "answer": {"status": 200, "body_as": "response", "cut": True},
}


def read_examples() -> list[bytes]:
    """The JSON examples of the documentation that are whole captures."""
    text = (DOCS / "captures.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```json\n")[1:]]
    return [block.encode() for block in blocks if '"request"' in block]


def test_the_schema_is_one() -> None:
    """Of the draft that it names."""
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)
    VALIDATOR.validate(WHOLE)


@given(captures)
def test_what_is_written_conforms(capture: Capture) -> None:
    """Masked or not."""
    for made in (capture, mask_capture(capture)):
        VALIDATOR.validate(orjson.loads(render_capture(made)))


def test_the_examples_of_the_documentation_conform_and_are_spelled_as_they_are_written() -> None:
    """There is one of a stream at least; each is byte for byte what writing it gives."""
    examples = read_examples()
    assert any(b'"events"' in example for example in examples)
    for example in examples:
        VALIDATOR.validate(orjson.loads(example))
        assert render_capture(parse_capture(example, Path("captures.md"))) == example


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 2),
        (("trcae",), {}),
        (("request", "method"), ""),
        (("request", "method"), 1),
        (("request", "path"), "/a b"),
        (("request", "path"), "/\u20ac"),
        (("request", "headers"), [["a"]]),
        (("request", "headers"), [["a", "\n"]]),
        (("request", "body_text"), ""),
        (("request", "haeders"), []),
        (("response", "status"), 99),
        (("response", "body"), 1),
        (("response", "events"), [{"type": "ping"}]),
        (("response", "events"), [{"type": "a\nb", "data": 1}]),
        (("response", "frames"), []),
        (("response", "truncated"), -1),
        (("answer",), {"status": 200, "frames": [{}]}),
        (("answer",), {"status": 200, "frames": [{"p": "a", "payload": 1}]}),
        (("answer",), {"status": 200, "frames": [{"raw": "a", "headers": {}}]}),
        (("answer",), {"status": 200, "frames": [{"data": 1, "payload": 1}]}),
        (("answer",), {"status": 200, "frames": [{"data": 1, "headers": {"a": 1}}]}),
        (("failure",), {}),
        (("earlier",), [{"response": {"status": 400}}]),
        (("earlier",), [{"sent": {"method": "GET", "path": "/"}, "response": {"status": 400, "body_as": "response"}}]),
        (("earlier",), [{"sent": {"method": "GET", "path": "/"}, "answer": {"status": 400}}]),
        (("answer", "body_as"), "request"),
        (("answer", "cut"), 1),
    ],
)
def test_the_schema_and_the_reader_refuse_the_same(place: tuple[str, ...], value: object) -> None:
    """What an editor marks is what is refused."""
    changed = copy.deepcopy(WHOLE)
    holder = changed
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value
    assert not VALIDATOR.is_valid(changed)
    with pytest.raises(BadCapture):
        parse_capture(orjson.dumps(changed), Path("x.json"))
