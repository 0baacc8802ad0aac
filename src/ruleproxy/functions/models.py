"""Functions on model names, in all the spellings that providers and clients give them."""

from __future__ import annotations

import re
from typing import Final

from ruleproxy.language.signatures import Function, FunctionExample, Parameter
from ruleproxy.language.types import ANY, OPTIONAL_STRING, of
from ruleproxy.messages.values import NIL, Nil, Value

# `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `anthropic/claude-opus-4.6`, `claude-haiku-4-5@20251001`,
# `claude-opus-4-8[1m]`, `claude-3-5-sonnet-20241022`, and ARNs that end in one of these.
_DRESSING: Final = (
    (re.compile(r"\[[^\]]*\]$"), ""),
    (re.compile(r"-v\d+(:\d+)?$"), ""),
    (re.compile(r"@.*$"), ""),
    (re.compile(r"[-.]\d{8}$"), ""),
    (re.compile(r"-latest$"), ""),
)
_BEFORE: Final = re.compile(r"^.*(?:[/:]|\banthropic\.)(?=claude)")
_NEW: Final = re.compile(r"claude-(?P<family>[a-z]+)-(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?")
_OLD: Final = re.compile(r"claude-(?P<major>\d)(?:[-.](?P<minor>\d))?-(?P<family>[a-z]+)")


class Version(tuple[int, ...]):
    """A version as numbers: 4.10 is later than 4.9, 5 is 5.0."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The version that a text such as `4.6` spells; None where it spells none."""
        if re.fullmatch(r"\d{1,4}(\.\d{1,4}){0,3}", text) is None:
            return None
        numbers = [int(part) for part in text.split(".")]
        return cls([*numbers, 0, 0, 0, 0][:4])

    def __str__(self) -> str:
        numbers = list(self)
        while len(numbers) > 2 and numbers[-1] == 0:
            numbers.pop()
        return ".".join(map(str, numbers))


def bare_name(model: str) -> str:
    """A model name without provider prefix, date, revision and suffix; any other name as it is, but for `[…]`."""
    name = model.strip()
    if "claude" not in name.lower():
        return _DRESSING[0][0].sub("", name)
    name = _BEFORE.sub("", name.lower())
    for pattern, replacement in _DRESSING:
        name = pattern.sub(replacement, name)
    return name


def _parts(model: Value) -> re.Match[str] | None:
    if not isinstance(model, str) or len(model) > 512:
        return None
    name = bare_name(model)
    return _NEW.match(name) or _OLD.match(name)


def _model_name(model: Value) -> str | Nil:
    return bare_name(model) if isinstance(model, str) and len(model) <= 512 else NIL


def _model_family(model: Value) -> str | Nil:
    parts = _parts(model)
    return parts["family"] if parts else NIL


def _model_version(model: Value) -> Version | Nil:
    parts = _parts(model)
    return Version((int(parts["major"]), int(parts["minor"] or 0), 0, 0)) if parts else NIL


_MODEL = Parameter("model", ANY)

FUNCTIONS = (
    Function(
        "model_name",
        "a model's bare name, for look-ups: without provider prefix, date, revision and `[1m]`",
        (_MODEL,),
        OPTIONAL_STRING,
        _model_name,
        examples=(
            FunctionExample('model_name("us.anthropic.claude-sonnet-4-5-20250929-v1:0")', '"claude-sonnet-4-5"'),
        ),
    ),
    Function(
        "model_family",
        "`opus`, `sonnet`, `haiku`, … of a Claude model; nil for any other",
        (_MODEL,),
        OPTIONAL_STRING,
        _model_family,
        examples=(FunctionExample('model_family("anthropic/claude-opus-4.6")', '"opus"'),),
    ),
    Function(
        "model_version",
        'the version of a Claude model, to be compared with `"4.6"`; nil for any other',
        (_MODEL,),
        of("version", "nil"),
        _model_version,
        examples=(
            FunctionExample('(model_version("claude-haiku-4-5@20251001") ?? "0") < "4.6"', "true"),
            FunctionExample('(model_version("claude-opus-4-10") ?? "0") >= "4.9"', "true"),
        ),
    ),
)
