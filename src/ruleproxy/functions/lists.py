"""Functions on lists, objects and numbers."""

from __future__ import annotations

from ruleproxy.functions.arguments import members
from ruleproxy.language.signatures import Function, FunctionExample, Parameter
from ruleproxy.language.types import ANY, INT, JSON, LIST, NUMBER, of
from ruleproxy.messages.headers import split_list
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode, plain
from ruleproxy.messages.places import kind_of
from ruleproxy.messages.secrets import Secret
from ruleproxy.messages.values import NIL, EditRefused, Value, finite


def _list(*items: Value) -> list[Value]:
    return [item for item in items if item is not NIL]


def _values(value: Value) -> list[Value]:
    if isinstance(value, Secret):
        return list(value.split_list())
    return split_list(value) if isinstance(value, str) else members(value)


def _count(value: Value) -> int:
    return len(value) if isinstance(value, ListNode | ObjectNode | list | dict) else 0


def _element(value: Value, at: int) -> Value:
    if not isinstance(value, ListNode | list) or not len(value):
        return NIL
    return value[at] if isinstance(value, list) else value.value_at(at % len(value))


def _first(value: Value) -> Value:
    return _element(value, 0)


def _last(value: Value) -> Value:
    return _element(value, -1)


def _number(function: str, value: Value) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise EditRefused(f"{function} takes numbers, this is {kind_of(value)}")
    return finite(value)


def _min(*numbers: Value) -> Value:
    return min(numbers, key=lambda number: _number("min", number))


def _max(*numbers: Value) -> Value:
    return max(numbers, key=lambda number: _number("max", number))


def _neighbour(value: Value, step: int) -> Value:
    holder = value.parent if isinstance(value, Node) else None
    if not isinstance(holder, ListNode):
        return NIL
    index = holder.index(value)
    return holder.value_at(index + step) if index >= 0 and 0 <= index + step < len(holder) else NIL


def _previous(value: Value) -> Value:
    return _neighbour(value, -1)


def _next(value: Value) -> Value:
    return _neighbour(value, 1)


def _translate(value: Value, table: Value) -> list[Value]:
    names = plain(table)
    if not isinstance(names, dict):
        raise EditRefused(f"translate takes a table, this is {kind_of(table)}")
    translated = (names.get(member, member) if isinstance(member, str) else member for member in members(value))
    return list(dict.fromkeys(member for member in translated if member is not None))


_VALUE = Parameter("value", ANY)
_ITEMS = Parameter("list", ANY)
_NUMBERS = Parameter("number", NUMBER)

FUNCTIONS = (
    Function(
        "list",
        "a list of its arguments; `list()` is the empty list",
        (Parameter("item", ANY, optional=True),),
        LIST,
        _list,
        variadic=True,
        examples=(FunctionExample("count(list())", "0"),),
    ),
    Function(
        "values",
        "the members of a header's comma list, or of a list; none for what is absent",
        (_VALUE,),
        LIST,
        _values,
        examples=(FunctionExample('last(values("a, b"))', '"b"'),),
    ),
    Function(
        "translate",
        "a list with its strings looked up in a table: a name the table has not stays, one it has as null goes, "
        "none stays twice",
        (_ITEMS, Parameter("table", of("object"))),
        LIST,
        _translate,
        examples=(FunctionExample('translate({ "a", "b", "c" }, { a = "x", b = null })', '{ "x", "c" }'),),
    ),
    Function(
        "count",
        "how many members a list or an object has; 0 for anything else",
        (_VALUE,),
        INT,
        _count,
        examples=(FunctionExample('count({ "a", "b" })', "2"),),
    ),
    Function(
        "first",
        "the first member of a list; nil for an empty one",
        (_ITEMS,),
        JSON,
        _first,
        examples=(FunctionExample('first({ "a", "b" })', '"a"'),),
    ),
    Function(
        "last",
        "the last member of a list; nil for an empty one",
        (_ITEMS,),
        JSON,
        _last,
        examples=(FunctionExample('last({ "a", "b" })', '"b"'),),
    ),
    Function(
        "min",
        "the smallest of some numbers",
        (_NUMBERS, _NUMBERS),
        NUMBER,
        _min,
        variadic=True,
        examples=(FunctionExample("min(31999, 8191)", "8191"),),
    ),
    Function(
        "max",
        "the largest of some numbers",
        (_NUMBERS, _NUMBERS),
        NUMBER,
        _max,
        variadic=True,
        examples=(FunctionExample("max(1024, 8)", "1024"),),
    ),
    Function(
        "previous",
        "the element before a loop variable in its list as it is now; nil at the head",
        (_VALUE,),
        JSON,
        _previous,
    ),
    Function(
        "next", "the element after a loop variable in its list as it is now; nil at the end", (_VALUE,), JSON, _next
    ),
)
