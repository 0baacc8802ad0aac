"""Places of a rule, as Python source text: what verbs write, and the lists that they go through."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ruleproxy.engine.expressions import BODIES, READS, CannotCompile, Expressions, Scope, is_text
from ruleproxy.language import syntax
from ruleproxy.language.walking import children

_WRITES: Mapping[tuple[str, str], str] = {
    ("request", "method"): "c.request.write_method",
    ("request", "path"): "c.request.write_path",
    ("request", "raw_path"): "c.request.write_raw_path",
    ("response", "status"): "c.response.write_status",
    ("event", "type"): "c.event.write_type",
    ("upstream", "url"): "c.request.write_url",
    ("upstream", "base"): "c.request.upstream.become_base",
    ("upstream", "name"): "c.request.upstream.become_name",
    ("upstream", "timeout"): "c.request.upstream.write_timeout",
    ("upstream", "sign"): "c.request.upstream.write_sign",
}


class Places(Expressions):
    """Turns places into Python source, and the expressions in them."""

    def place(self, node: syntax.Path, scope: Scope) -> str:
        """Source text that evaluates to the list of places that a path names."""
        if isinstance(node.base, syntax.Call):
            raise CannotCompile(node, "what a function gives is no place")
        name = node.base.name
        if name in scope.names:
            if not node.steps:
                if name not in scope.places:
                    raise CannotCompile(node, f"`{name}` is no element of a list")
                return f"[element_place({scope.places[name]})]"
            return self._member_places(scope.names[name], node.steps, scope)
        root, message, steps = self.root(node)
        if not steps or not isinstance(steps[0], syntax.Member) or message.startswith("c.original"):
            raise CannotCompile(node, f"`{name}` cannot be written")
        field, rest = steps[0].name, steps[1:]
        if field in ("headers", "query"):
            kinds = {"headers": ("HeaderPlace", "HeadersPlace"), "query": ("QueryPlace", "QueryFieldsPlace")}[field]
            key = f", {self.key(rest[0], scope)}" if rest else ""
            return f"[{kinds[0] if rest else kinds[1]}({message}.{field}{key})]"
        if field == BODIES.get(root):
            if not rest:
                return f"[BodyPlace({message}.body)]"
            if all(isinstance(step, syntax.Member | syntax.Index) for step in rest):
                return f"body_member_place({message}.body, {self._names(rest, scope)})"
            return self._member_places(f"{message}.body.root", rest, scope)
        write = _WRITES.get((root, field))
        if write is None or rest:
            raise CannotCompile(node, f"`{name}.{field}` cannot be written")
        read = READS[(root, field)].format(m=message)
        return f"[AttributePlace('{name}.{field}', lambda: {read}, {write})]"

    def body_values(self, node: syntax.Path, scope: Scope) -> str | None:
        """Source text for the list of values at the places in a body that a path names; None for other places."""
        if not isinstance(node.base, syntax.Name):
            return None
        in_body = node.steps[:1] and isinstance(node.steps[0], syntax.Member) and node.steps[0].name == "body"
        if node.base.name not in scope.names and not (node.base.name == "request" and in_body):
            return None
        many = any(isinstance(step, syntax.Every | syntax.AnyDepth) for step in node.steps)
        text = self.path(node, scope)
        return text if many else f"[{text}]"

    def lists(
        self, node: syntax.Path, scope: Scope, condition: tuple[str, syntax.Expression] | None, *, picture: bool
    ) -> str:
        """Source text for the `Lists` that a path names: in a `picture` of the body, or to be edited.

        `condition` is what is asked of their elements, and the name that it has for one.
        """
        if picture and (values := self.body_values(node, scope)):
            return f"picked_lists({values})"
        if not isinstance(node.base, syntax.Name) or node.base.name in scope.names:
            return f"place_lists({self.place(node, scope)})"
        root, message, steps = self.root(node)
        in_body = steps and isinstance(steps[0], syntax.Member) and steps[0].name == BODIES.get(root)
        nodes = condition is not None and _looks_around(condition[1])
        if not in_body or nodes or not all(map(_is_written_out, steps)) or message.startswith("c.original"):
            return f"place_lists({self.place(node, scope)})"
        body = self.fresh()
        apart = condition is None or self._stands_alone(condition[1], {condition[0], *scope.constants})
        values = self._each_value(body, steps[1:], scope)
        return f"body_lists({message}.body, lambda {body}: {values}, apart={apart})"

    def _stands_alone(self, node: syntax.Node, known: Collection[str]) -> bool:
        # Whether a value depends on nothing but these names.
        match node:
            case syntax.Name(name=name):
                return name in known or name == "parameters"
            case syntax.Call(function=name) if (function := self.vocabulary.functions.get(name)) is not None:
                alone = not function.contextual
            case _:
                alone = True
        return alone and all(self._stands_alone(child, known) for child in children(node))

    def _each_value(self, text: str, steps: tuple[syntax.Step, ...], scope: Scope) -> str:
        # A value for each place, as `place` gives a place for each: nothing is left out where nothing stands.
        last = max((index for index, step in enumerate(steps) if isinstance(step, syntax.Every)), default=-1)
        if last < 0:
            return f"[{self.steps(text, steps, scope)}]"
        holders, rest = self.steps(text, steps[: last + 1], scope), steps[last + 1 :]
        if not rest:
            return holders
        name = self.fresh()
        self.element_names.add(name)
        return f"[{self.steps(name, rest, scope)} for {name} in {holders}]"

    def _names(self, steps: tuple[syntax.Step, ...], scope: Scope) -> str:
        return f"({', '.join(self.key(step, scope) for step in steps)},)"

    def _member_places(self, text: str, steps: tuple[syntax.Step, ...], scope: Scope) -> str:
        # What stands behind the last `[*]` or `[**]` may be made; what stands before it is only looked up.
        last = max((i for i, step in enumerate(steps) if isinstance(step, syntax.Every | syntax.AnyDepth)), default=-1)
        head, tail = steps[: last + 1], steps[last + 1 :]
        if not tail:
            if isinstance(steps[-1], syntax.AnyDepth):
                raise CannotCompile(steps[-1], "`[**]` needs a member behind it")
            holders = self.steps(text, steps[:-1], scope)
            many = any(isinstance(step, syntax.Every | syntax.AnyDepth) for step in steps[:-1])
            return f"element_places({holders if many else f'[{holders}]'})"
        if not head:
            return f"[member_place({text}, {self._names(tail, scope)})]"
        name = self.fresh()
        return f"[member_place({name}, {self._names(tail, scope)}) for {name} in {self.steps(text, head, scope)}]"


def _looks_around(node: syntax.Node) -> bool:
    """Whether an expression asks an element for more than what is in it, or for what is deep in it."""
    match node:
        case syntax.Call(function="previous" | "next") | syntax.AnyDepth():
            return True
        case _:
            return any(_looks_around(child) for child in children(node))


def _is_written_out(step: syntax.Step) -> bool:
    return isinstance(step, syntax.Member | syntax.Every) or (isinstance(step, syntax.Index) and is_text(step.key))
