"""What compiled rules call: reading that never fails, comparing, joining, iterating, naming places."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from ruleproxy.functions.models import Version
from ruleproxy.messages.body import Body
from ruleproxy.messages.lists import Lists
from ruleproxy.messages.nodes import ListNode, Node, ObjectNode, every, plain
from ruleproxy.messages.places import BodyPlace, ElementPlace, HeaderPlace, MemberPlace, Place, kind_of, steps_to_read
from ruleproxy.messages.secrets import Secret, join
from ruleproxy.messages.values import LONGEST_TEXT, NIL, EditRefused, Value, equal, finite

_CHARACTERS_A_STEP: Final = 1024
_BYTES_A_STEP: Final = 128

# What `[**]` never looks into: data of the user's own, where any key may stand.
_OPAQUE_MEMBERS = frozenset({"input", "input_schema", "schema", "parameters"})
_OPAQUE_TYPES = frozenset({"thinking", "redacted_thinking"})


class Counter(Protocol):
    """Who counts the work of a rule: a run of rules, or a glance at a message."""

    def spend(self, steps: int) -> None:
        """Count work; raises `EditRefused` past the budget."""


def member(value: Value, name: Value) -> Value:
    """A member of an object; nil for anything that has none."""
    if type(value) is dict:
        return value.get(name, NIL) if isinstance(name, str) else NIL
    if isinstance(value, ObjectNode):
        return value.get(name) if type(name) is str else NIL
    return NIL


def member_of_each(values: Iterable[Value], name: Value) -> list[Value]:
    """That member of each that has it."""
    return [found for value in values if (found := member(value, name)) is not NIL]


def every_of_each(values: Iterable[Value]) -> list[Value]:
    """The members of each that is a list."""
    return [found for value in values for found in every(value)]


def any_depth(value: Value, counter: Counter | None = None) -> list[Value]:
    """Every object at any depth, this one included, but none in a tool's input, a schema or a thinking block.

    What is looked at is counted where somebody does.
    """
    found: list[Value] = []
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, ObjectNode):
            if current.get("type") in _OPAQUE_TYPES:
                continue
            found.append(current)
            if counter is not None:
                counter.spend(1)
            waiting += [current.get(name) for name in reversed(current.names()) if name not in _OPAQUE_MEMBERS]
        elif isinstance(current, ListNode):
            if counter is not None:
                counter.spend(steps_to_read(len(current)))
            waiting += reversed(current.values())
    return found


def any_depth_of_each(values: Iterable[Value], counter: Counter | None = None) -> list[Value]:
    """`any_depth` of each."""
    return [found for value in values for found in any_depth(value, counter)]


def equals(left: Value, right: Value) -> bool:
    """`==`: structural; a version equals the text that spells it."""
    if isinstance(left, Version) or isinstance(right, Version):
        return _version(left) == _version(right) is not None
    if isinstance(left, Node | dict | list) or isinstance(right, Node | dict | list):
        return equal(_settle(left), _settle(right))
    if left is NIL or right is NIL:
        return left is right
    return equal(left, right)


def _settle(value: Value) -> Value:
    """A value without nodes, also where a list or an object of the rule's own holds them."""
    match value:
        case list():
            return [_settle(item) for item in value]
        case dict():
            return {name: _settle(item) for name, item in value.items()}
        case _:
            return plain(value)


def is_in(value: Value, holder: Value) -> bool:
    """`in`: a member of a list, a key of an object; false for anything else."""
    if isinstance(holder, ObjectNode):
        return isinstance(value, str) and holder.has(value)
    if isinstance(holder, dict):
        return isinstance(value, str) and value in holder
    if value is NIL:
        return False
    found = every(holder)
    if type(value) is str:
        # Mostly one of many texts: Python compares those fastest, and only what is no text can be equal otherwise.
        return value in found or any(equals(value, item) for item in found if type(item) is not str)
    return any(equals(value, item) for item in found)


def counted(counter: Counter, value: Value) -> Value:
    """A value that is made for each element of a list, where that is more work than its text tells."""
    if type(value) is str:
        counter.spend(len(value) // _CHARACTERS_A_STEP)
    elif type(value) is list:
        counter.spend(steps_to_read(len(value)))
    return value


def counted_whole(counter: Counter, value: Value) -> Value:
    """A value that is written or compared for each element of a list, counted to its depths."""
    waiting: list[Value] = [value]
    while waiting:
        current = waiting.pop()
        match current:
            case str():
                counter.spend(len(current) // _CHARACTERS_A_STEP)
            case Node():
                counter.spend(len(current.to_json()) // _BYTES_A_STEP)
            case dict() | list():
                counter.spend(steps_to_read(len(current)))
                waiting += current.values() if isinstance(current, dict) else current
    return value


def equals_counted(counter: Counter, left: Value, right: Value) -> bool:
    """`==` for each element of a list."""
    deep = Node, dict, list
    if isinstance(left, deep) and isinstance(right, deep):
        counted_whole(counter, left)
        counted_whole(counter, right)
    elif isinstance(left, str) and isinstance(right, str):
        counter.spend(min(len(left), len(right)) // _CHARACTERS_A_STEP)
    return equals(left, right)


def is_in_counted(counter: Counter, value: Value, holder: Value) -> bool:
    """`in` for each element of a list."""
    if type(holder) is list or isinstance(holder, ListNode):
        counter.spend(steps_to_read(len(holder)))
    return is_in(value, holder)


def concat(left: Value, right: Value) -> str | Secret:
    """`..`."""
    if isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > LONGEST_TEXT:
            raise EditRefused(f"`..` would make a text of more than {LONGEST_TEXT} characters")
        return left + right
    if isinstance(left, str | Secret) and isinstance(right, str | Secret):
        return join(left, right)
    wrong = right if isinstance(left, str | Secret) else left
    raise EditRefused(f"`..` joins strings, this is {kind_of(wrong)}")


def less(left: Value, right: Value) -> bool:
    """`<`: numbers, strings, or a version and what spells one."""
    return _compare(left, right, "<") < 0


def less_or_equal(left: Value, right: Value) -> bool:
    """`<=`."""
    return _compare(left, right, "<=") <= 0


def _compare(left: Value, right: Value, operator: str) -> int:
    if isinstance(left, Version) or isinstance(right, Version):
        first, second = _version(left), _version(right)
        if first is None or second is None:
            raise EditRefused(f"`{operator}` cannot read {kind_of(right if second is None else left)} as a version")
        return int(first > second) - int(first < second)
    if isinstance(left, str) and isinstance(right, str):
        spelled = Version.parse(left), Version.parse(right)
        if spelled[0] is not None and spelled[1] is not None:  # what `?? "0"` makes of a version
            return int(spelled[0] > spelled[1]) - int(spelled[0] < spelled[1])
        return int(left > right) - int(left < right)
    for value in (left, right):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise EditRefused(f"`{operator}` needs a number, this is {kind_of(value)}")
    return int(left > right) - int(left < right)


def _version(value: Value) -> Version | None:
    return value if isinstance(value, Version) else Version.parse(value) if isinstance(value, str) else None


def plus(left: Value, right: Value) -> Value:
    """`+`."""
    return finite(_number("+", left) + _number("+", right))


def minus(left: Value, right: Value) -> Value:
    """`-`."""
    return finite(_number("-", left) - _number("-", right))


def _number(operator: str, value: Value) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EditRefused(f"`{operator}` needs numbers, this is {kind_of(value)}")
    return value


def truth(value: Value) -> bool:
    """A condition's value; there is no truthiness."""
    if value is True or value is False:
        return value
    raise EditRefused(f"a condition is true or false, this is {kind_of(value)}")


def make_object(*pairs: tuple[Value, Value]) -> dict[str, Value]:
    """`{ name = value }`; a nil value leaves its name out."""
    for name, _ in pairs:
        if not isinstance(name, str):
            raise EditRefused(f"a member is named by a string, this is {kind_of(name)}")
    return {name: value for name, value in pairs if value is not NIL}


def make_list(*items: Value) -> list[Value]:
    """`{ a, b }`; nil leaves its place out."""
    return [item for item in items if item is not NIL]


def elements(value: Value) -> list[ElementPlace | Value]:
    """The members of a list with where they stand, for a loop whose variable is written."""
    if isinstance(value, ListNode):
        return _elements_of(value)
    return [
        ElementPlace(item.parent, item.parent.handle_of(item))
        if isinstance(item, Node) and isinstance(item.parent, ListNode)
        else item
        for item in every(value)
    ]


def _elements_of(node: ListNode) -> list[ElementPlace | Value]:
    return [ElementPlace(node, handle, index) for index, handle in enumerate(node.handles())]


def current(element: ElementPlace | Value) -> Value:
    """The value of a loop variable."""
    return element.read() if isinstance(element, ElementPlace) else element


def element_place(element: ElementPlace | Value) -> ElementPlace:
    """A loop variable as a place."""
    if isinstance(element, ElementPlace):
        return element
    raise EditRefused("this is no element of a list in a message")


def member_place(container: Value, names: tuple[Value, ...], parent: Place | None = None) -> Place:
    """The place of a member, by the names that lead to it."""
    for name in names[:-1]:
        parent = MemberPlace(container, _member_name(name), parent)
        container = member(container, name)
    return MemberPlace(container, _member_name(names[-1]), parent)


def body_member_place(body: Body, names: tuple[Value, ...]) -> list[Place]:
    """The place of a member of a body; none where no body is, or none that is JSON: no rule makes one."""
    root = body.root
    return [] if root is NIL else [member_place(root, names, BodyPlace(body))]


def _member_name(name: Value) -> str:
    if isinstance(name, str):
        return name
    raise EditRefused(f"a member is named by a string, this is {kind_of(name)}")


def element_places(values: Iterable[Value]) -> list[Place]:
    """Every member of these lists as a place."""
    return [place for value in values if isinstance(value, ListNode) for place in _elements_of(value)]


def body_lists(body: Body, find: Callable[[Value], list[Value]], *, apart: bool) -> Lists:
    """The lists of a body that `find` finds, in its plain data where there is some."""
    root, tree = body.root, body.tree
    return Lists(find(root)) if tree is None or not tree.pure else Lists(find(tree.data), tree, apart=apart)


def place_lists(places: Iterable[Place]) -> Lists:
    """The lists at some places; a header stands for itself."""
    return Lists([place if isinstance(place, HeaderPlace) else place.read() for place in places])


def picked_lists(found: list[Value]) -> Lists:
    """The lists of a picture of a body (see `projection`), which are only looked at."""
    return Lists(found, picked=True, apart=True)
