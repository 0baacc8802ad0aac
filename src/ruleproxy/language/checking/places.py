"""Places that actions write: whether they can be written here, and with this value."""

from __future__ import annotations

from typing import get_args

from ruleproxy.language import syntax
from ruleproxy.language.checking.findings import did_you_mean, find_near_miss
from ruleproxy.language.checking.kinds import ABSENT, offer_conversion, with_article
from ruleproxy.language.checking.scope import EVERY, Key, Scope, Variable, bare, is_stable, literal_string
from ruleproxy.language.checking.secrets import find_secret
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.roots import ALWAYS_THERE, FRAMING, ROOT_SHAPES, ROOTS, WRITABLE
from ruleproxy.language.signatures import Side
from ruleproxy.language.source import Span
from ruleproxy.language.types import ANY, Kind, Type

INSTEAD = {
    ("request", "model"): "request.body.model",
    ("request", "wants_stream"): "request.body.stream",
    ("request", "api"): "request.path",
    ("upstream", "host"): "rewrite upstream.base = …",
}
"""What is written where what stands for it is read-only."""


def check_place(scope: Scope, path: syntax.Path, *, removing: bool = False) -> Key | None:
    """The place that a path names, resolved to the message; None for one that cannot be written, which is reported."""
    if isinstance(path.base, syntax.Call):
        report(scope, path.span, "the result of a function cannot be written", "a copy, no place in the message")
        return None
    key = scope.key_of(path)
    assert key is not None
    name = path.base.name
    variable = scope.variables.get(name)
    if variable is not None:
        if variable.type == ANY:
            return None  # something is wrong with where it comes from, and said there
        if variable.origin is None:
            report_copy(scope, path, variable)
            return None
        if not path.steps and variable.kind == "local":
            offer = (f"rewrite {show(variable.origin)} = …",) if is_stable(variable.origin) else ()
            message = f"`local {name}` is a name for a value and cannot be written"
            report(scope, path.span, message, "", second=variable.span, offer=offer)
            return None
        key = (*variable.origin, *key[1:])
    elif name not in ROOTS[scope.stage]:
        return None  # unknown, or not on this side: said where it is read
    return key if check_root(scope, path, key, removing=removing) else None


def report_copy(scope: Scope, path: syntax.Path, variable: Variable) -> None:
    """A variable that stands for a value, not for a place."""
    value = None if variable.value is None else bare(variable.value)
    offer: tuple[str, ...] = ()
    if isinstance(value, syntax.Path) and isinstance(value.base, syntax.Name) and value.base.name in ROOTS[scope.stage]:
        offer = (f"rewrite {scope.findings.text(value.span)} = …",)
    label = "a value of its own, no place in the message"
    report(scope, path.span, f"`{variable.name}` cannot be written", label, second=variable.span, offer=offer)


def check_root(scope: Scope, path: syntax.Path, key: Key, *, removing: bool) -> bool:
    """Whether what a path begins with may be written on this side."""
    root = str(key[0])
    field = key[1] if len(key) > 1 else None
    fields = writable_fields(scope, root)
    if field is None:
        known = sorted(fields)
        example = (f"such as `{root}.{known[0]}`",) if known else ()
        report(scope, path.span, f"`{root}` as a whole cannot be written", "", offer=example)
        return False
    if (
        root in ROOT_SHAPES
        and isinstance(field, str)
        and field not in ROOT_SHAPES[root].fields
        and root != "parameters"
    ):
        return False  # unknown: said where it is read
    if field not in fields:
        report_read_only(scope, path, root, str(field))
        return False
    if field == "headers" and len(key) > 2 and key[2] in FRAMING:
        report_framing(scope, str(key[2]), path.span)
        return False
    if field in ("headers", "query") and len(key) > 3:
        report(scope, path.span, f"a {'header' if field == 'headers' else 'query member'} has no members", "")
        return False
    if removing and len(key) == 2 and (root, str(field)) in ALWAYS_THERE:
        offer = (f"rewrite {root}.{field} = {{}}",) if field in ("body", "data") else ()
        report(scope, path.span, f"`{root}.{field}` cannot be taken away", "every message has one", offer=offer)
        return False
    return True


def writable_fields(scope: Scope, root: str) -> frozenset[str]:
    """The fields of a root that may be written at this point."""
    fields = WRITABLE.get((scope.stage, root), frozenset())
    if not fields and scope.stage in ("response", "failure") and scope.retry_follows:
        fields = WRITABLE.get(("request", root), frozenset())
    return fields


def report_read_only(scope: Scope, path: syntax.Path, root: str, field: str) -> None:
    """A field that may not be written here, and where or how it may."""
    text = f"{root}.{field}"
    if root == "original":
        text = scope.findings.text(path.span)
        offer = (text.removeprefix("original."),) if text.startswith("original.") else ()
        report(scope, path.span, "`original` is what really came and cannot be written", "", offer=offer)
        return
    sides: list[Side] = [side for side in get_args(Side) if field in WRITABLE.get((side, root), ())]
    second = scope.rule.side.span if scope.rule is not None and sides else None
    label = ""
    offer = ()
    if "request" in sides and scope.stage in ("response", "failure"):
        label = "the request is written on these sides only to send it again"
        offer = ("retry",)
    elif sides and scope.rule is not None:
        offer = (f'rule "{scope.rule.name}" on {sides[0]}',)
    elif (root, field) in INSTEAD:
        offer = (INSTEAD[(root, field)],)
    where = f" on the {scope.stage} side" if sides else ""
    report(scope, path.span, f"`{text}` cannot be written{where}", label, second=second, offer=offer)


def report_framing(scope: Scope, name: str, span: Span) -> None:
    """A header that is not a rule's to write."""
    label = "says how the message is framed or where it goes"
    offer = ("rewrite upstream.base = …",) if name == "host" else ()
    report(scope, span, f"the proxy writes the header `{name}`", label, offer=offer)


def report(
    scope: Scope, span: Span, message: str, label: str, *, second: Span | None = None, offer: tuple[str, ...] = ()
) -> None:
    """A write that cannot be."""
    scope.findings.add("RP331", message, span, label, second=second, help=offer)


def check_framing_names(scope: Scope, place: Key, value: syntax.Expression) -> None:
    """Framing headers in a table that is merged into the headers."""
    table = bare(value)
    if place[-1] != "headers" or len(place) != 2 or not isinstance(table, syntax.Table):
        return
    for field in table.fields:
        name = None if field.key is None else literal_string(field.key)
        if field.key is not None and name is not None and name.lower() in FRAMING:
            report_framing(scope, name.lower(), field.key.span)


def check_secret(scope: Scope, place: Key | None, value: syntax.Expression) -> None:
    """A secret may only go where the upstream reads it and nobody else."""
    span = find_secret(scope, value)
    if span is None or (place is not None and may_hold_secret(place)):
        return
    where = "here" if place is None else f"into `{show(place)}`"
    label = "secrets go into headers, request.query and upstream"
    scope.findings.add("RP310", f"a secret flows {where}", span, label)


def may_hold_secret(place: Key) -> bool:
    """Whether a place is one that only the upstream sees."""
    return place[0] == "upstream" or (place[0] == "request" and len(place) > 1 and place[1] in ("headers", "query"))


def check_written_kind(scope: Scope, place: Key, value: syntax.Expression, known: Type) -> None:
    """Whether a value can be written to a place that is not part of a body."""
    wanted: frozenset[Kind] | None = None
    if len(place) == 2 and str(place[0]) in ROOT_SHAPES and place[1] not in ("body", "data", "headers", "query"):
        wanted = ROOT_SHAPES[str(place[0])].fields[str(place[1])].kinds
    elif len(place) == 3 and place[1] == "headers":
        wanted = frozenset(("string", "list"))
    elif len(place) == 3 and place[0] == "request" and place[1] == "query":
        wanted = frozenset(("string",))
    elif len(place) == 2 and place[1] == "headers":
        text = scope.findings.text(value.span)
        offer = (f"inject {text} into {show(place)}",) if isinstance(bare(value), syntax.Table) else ()
        report(scope, value.span, "headers are written one by one", "", offer=offer)
    if wanted is None or known == ANY:
        return
    there = known.kinds - {"nil", "null"}
    if there and not there & (wanted | ({"secret"} if "string" in wanted else frozenset())):
        message = f"`{show(place)}` takes {with_article(Type(wanted - {'nil'}))}"
        scope.findings.add("RP302", message, value.span, str(known),
                           help=offer_conversion(scope, value, known, wanted, operand=False))  # fmt: skip


def check_kind_of_field(scope: Scope, place: Key, field: Type, value: syntax.Expression, known: Type) -> None:
    """Whether a value is of a kind that the format of a body knows for a field; a gateway's own may be another one."""
    wanted, there = field.kinds - ABSENT, known.kinds - ABSENT
    if ANY in (field, known) or not wanted or not there or place[1:2] not in (("body",), ("data",)) or len(place) < 3:
        return
    numbers = {"int", "float"}
    if there & wanted or ("string" in wanted and "secret" in there) or (there <= numbers and wanted & numbers):
        return
    offer = offer_conversion(scope, value, known, wanted, operand=False)
    inner = bare(value)
    if isinstance(inner, syntax.Table) and not inner.fields and "list" in wanted:
        offer = ("list()",)
    elif "bool" in wanted and literal_string(value) in ("true", "false"):
        offer = (str(literal_string(value)),)
    message = f"the format knows `{show(place)}` as {with_article(Type(wanted))}"
    scope.findings.add("RP302", message, value.span, str(known), severity=Severity.WARNING, help=offer)


def check_origin(scope: Scope, place: Key, value: syntax.Expression) -> None:
    """A URL or a name of an upstream that is written out has to be a declared one."""
    upstreams = scope.setting.upstreams
    if place[0] != "upstream" or len(place) != 2 or upstreams is None:
        return
    literal, whole = leading_text(scope, value)
    if literal is None:
        return
    text = str(literal.value)
    if place[1] == "name":
        if whole and text not in upstreams:
            offer = did_you_mean(text, upstreams) or (f"--upstream {text}=URL",)
            scope.findings.add("RP340", f'no upstream is named "{text}"', literal.span, help=offer)
    elif place[1] in ("url", "base"):
        origin = read_origin(text, whole=whole)
        if origin == "":
            scope.findings.add("RP340", "this is not a URL of an upstream", literal.span, help="https://host/path")
        elif origin is not None and origin not in upstreams.values():
            declared = ", ".join(sorted(set(upstreams.values()))) or "none"
            near = find_near_miss(origin, upstreams.values())
            offer = ((f"did you mean `{near}`?",) if near is not None else ()) + (f"--upstream {origin}",)
            scope.findings.add("RP340", f"`{origin}` is not a declared upstream", literal.span, f"declared: {declared}",
                               help=offer)  # fmt: skip


def leading_text(scope: Scope, value: syntax.Expression) -> tuple[syntax.Literal | None, bool]:
    """The text that a value begins with, where it is written out, and whether it is all of it."""
    node, whole = bare(value), True
    for _ in range(1000):
        if isinstance(node, syntax.Binary) and node.operator == "..":
            node, whole = bare(node.left), False
        elif isinstance(node, syntax.Path) and isinstance(node.base, syntax.Name) and not node.steps:
            variable = scope.variables.get(node.base.name)
            if variable is None or variable.value is None:
                return None, False
            node = bare(variable.value)
        else:
            break
    return (node, whole) if isinstance(node, syntax.Literal) and node.kind == "string" else (None, False)


def read_origin(text: str, *, whole: bool) -> str | None:
    """`scheme://host[:port]` of a URL in lower case; empty for what is no URL; None where the host goes on after it."""
    scheme, sign, rest = text.partition("://")
    if not sign or scheme.lower() not in ("http", "https"):
        return "" if whole or sign or not "https://".startswith(text.lower()) else None
    ends = [at for at, character in enumerate(rest) if character in "/?"]
    if not ends and not whole:
        return None
    authority = rest[: ends[0]] if ends else rest
    if not authority or "@" in authority or any(character.isspace() for character in authority):
        return ""
    default = {"http": ":80", "https": ":443"}[scheme.lower()]
    return f"{scheme}://{authority}".lower().removesuffix(default)


def show(key: Key) -> str:
    """A path as it is written."""
    text = str(key[0])
    for step in key[1:]:
        if isinstance(step, tuple):
            text += f"[{show(step)}]"
        elif step.startswith("["):
            text += step if step != "[?]" else "[…]"
        else:
            text += f".{step}" if step.isidentifier() else f'["{step}"]'
    return text


def element_of(place: Key) -> Key:
    """An element of the list at a place."""
    return place if place[-1] == EVERY else (*place, EVERY)
