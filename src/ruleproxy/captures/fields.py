"""The members of a JSON object, taken one by one; what is missing, of a wrong type or left over is named by place."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final, TypeVar

import orjson

_REQUIRED: Final[Any] = object()
_Type = TypeVar("_Type")


class WrongField(Exception):
    """A member that cannot be used; `place` is a JSON pointer."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


class Fields:
    """The members of one object at `place`. Raises WrongField, here and in every method, where it is none."""

    __slots__ = ("_left", "_members", "_place")

    def __init__(self, value: Any, place: str) -> None:
        self._place = place
        if not isinstance(value, dict):
            raise self.wrong("", f"expected an object, this is {describe(value)}")
        self._members = value
        self._left = dict.fromkeys(value)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def wrong(self, name: str, problem: str) -> WrongField:
        """What to raise for a member (or, with an empty name, for the object)."""
        return WrongField(f"{self._place}/{name}" if name else self._place, problem)

    def finish(self) -> None:
        """Raise where a member was not taken: nobody would look at it."""
        if self._left:
            name = next(iter(self._left))
            raise self.wrong(name.replace("~", "~0").replace("/", "~1"), f"there is no `{name}` here")

    def take(self, name: str) -> Any:
        """A member as it is; None where there is none."""
        self._left.pop(name, None)
        return self._members.get(name)

    def take_text(self, name: str, default: str = _REQUIRED) -> str:
        """A text."""
        return self._take(name, str, "a text", default)

    def take_int(self, name: str, default: int = _REQUIRED) -> int:
        """A whole number, never negative."""
        value = self._take(name, int, "a whole number", default)
        if value < 0:
            raise self.wrong(name, f"expected a number from 0 on, this is {value}")
        return value

    def take_number(self, name: str) -> float | None:
        """A number, or None where there is none."""
        value = self.take(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.wrong(name, f"expected a number, this is {describe(value)}")
        return value

    def take_bool(self, name: str, *, default: bool) -> bool:
        """True or false."""
        return self._take(name, bool, "true or false", default)

    def take_list(self, name: str) -> list[Any]:
        """A list; empty where there is none."""
        return self._take(name, list, "a list", [])

    def take_fields(self, name: str) -> Fields:
        """An object."""
        return Fields(self.take(name), f"{self._place}/{name}")

    def take_list_of_fields(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(value, f"{self._place}/{name}/{number}") for number, value in enumerate(self.take_list(name))]

    def take_content(self, name: str, *, as_json: bool = True) -> bytes | None:
        """Bytes, written as a JSON value (`name`), as text (`name_text`) or in base64 (`name_base64`).

        None where there are none. With `as_json` off, `name` itself is the text.
        """
        forms = (name, f"{name}_text", f"{name}_base64") if as_json else (name, f"{name}_base64")
        given = [form for form in forms if form in self]
        if not given:
            return None
        if len(given) > 1:
            raise self.wrong(given[1], f"`{given[0]}` is there already")
        form = given[0]
        if form == name and as_json:
            try:
                return orjson.dumps(self.take(form))
            except orjson.JSONEncodeError as error:
                raise self.wrong(form, f"cannot be written as JSON: {str(error).lower()}") from None
        text = self.take_text(form)
        if form.endswith("_base64"):
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise self.wrong(form, f"not base64: {str(error).lower()}") from None
        return text.encode()

    def take_latin_1(self, name: str) -> bytes:
        """A text of one byte a character."""
        return self.to_latin_1(name, self.take_text(name))

    def to_latin_1(self, name: str, text: str) -> bytes:
        """The bytes of a text that stands at `name`, one a character."""
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError as error:
            raise self.wrong(name, f"{text[error.start]!r} is beyond Latin-1, which stands for one byte") from None

    def _take(self, name: str, kind: type[_Type], noun: str, default: _Type) -> _Type:
        if name not in self:
            if default is _REQUIRED:
                raise self.wrong("", f"`{name}` is missing")
            return default
        value = self.take(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(name, f"expected {noun}, this is {describe(value)}")
        return value


def describe(value: Any) -> str:
    """What kind of JSON value this is."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
