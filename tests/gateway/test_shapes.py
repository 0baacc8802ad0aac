"""Values compared with shapes: the provider's words and its dotted paths."""

from __future__ import annotations

import pytest

from ruleproxy.gateway.shapes import Anything, ListOf, Record, Scalar, Shape, Tagged, find_faults

TAGGED = Tagged({"a": Record({"type": Scalar("string"), "n": Scalar("integer")}, ("type",)), "b": Record({})})


@pytest.mark.parametrize(
    ("shape", "value", "faults"),
    [
        (Scalar("string"), 1, ["x: Input should be a valid string"]),
        (Scalar("integer"), True, ["x: Input should be a valid integer"]),
        (Scalar("integer"), 1.5, ["x: Input should be a valid integer"]),
        (Scalar("number"), 1, []),
        (Scalar("boolean"), 1, ["x: Input should be a valid boolean"]),
        (Scalar("integer", minimum=1), 0, ["x: Input should be greater than or equal to 1"]),
        (Scalar("string", choices=("u", "a")), "s", ["x: Input should be 'u' or 'a'"]),
        (Anything(), [], ["x: Input should be a valid dictionary"]),
        (Anything(any_type=True), [], []),
        (ListOf(Scalar("string")), "text", ["x: Input should be a valid list"]),
        (ListOf(Scalar("string"), or_string=True), "text", []),
        (ListOf(Scalar("string"), or_string=True), None, ["x: Input should be a valid string"]),
        (ListOf(Scalar("string")), ["a", 1], ["x.1: Input should be a valid string"]),
        (Record({"a": Scalar("string")}, ("a",)), {}, ["x.a: Field required"]),
        (Record({"a": Scalar("string")}, ("a",)), {"a": None}, ["x.a: Input should be a valid string"]),
        (Record({"a": Scalar("string")}), {"a": None}, []),
        (Record({"a": Scalar("string")}), {"b": 1}, ["x.b: Extra inputs are not permitted"]),
        (Record({}), [], ["x: Input should be a valid dictionary"]),
        (TAGGED, {"type": "a", "n": "1"}, ["x.a.n: Input should be a valid integer"]),
        (TAGGED, {}, ["x: Unable to extract tag using discriminator 'type'"]),
        (TAGGED, 1, ["x: Input should be a valid dictionary"]),
        (
            TAGGED,
            {"type": "c"},
            [
                "x: Input tag 'c' found using 'type' does not match any of the expected tags: 'a', 'b'",
            ],
        ),
        (Tagged({"a": Record({})}, absent="a"), {"n": 1}, ["x.a.n: Extra inputs are not permitted"]),
    ],
)
def test_a_fault_names_the_place_and_what_was_expected(shape: Shape, value: object, faults: list[str]) -> None:
    """In Pydantic's words."""
    assert list(find_faults(shape, value, "x")) == faults


def test_members_come_before_strangers() -> None:
    """In the order of the table, not of the value."""
    shape = Record({"a": Scalar("string"), "b": Scalar("string")}, ("a", "b"))
    faults = ["a: Field required", "b: Input should be a valid string", "z: Extra inputs are not permitted"]
    assert list(find_faults(shape, {"z": 1, "b": 2})) == faults
