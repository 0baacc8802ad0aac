"""What rules write, as the check of their statements saw it: for questions about several statements together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from ruleproxy.language import syntax
from ruleproxy.language.checking.findings import Findings
from ruleproxy.language.checking.scope import EVERY, Key, Scope, Variable, bare
from ruleproxy.language.walking import children

MESSAGES: Key = ("request", "body", "messages")
CONTENT: Key = (*MESSAGES, EVERY, "content")
BLOCK: Key = (*CONTENT, EVERY)
BETAS: Key = ("request", "headers", "anthropic-beta")


@dataclass(frozen=True, slots=True)
class Write:
    """One statement that writes one place; `asked` are the conditions around it, the rule's own first.

    `path` is the place as written, `place` the same through variables.
    """

    findings: Findings
    rule: syntax.Rule
    action: syntax.Action
    path: syntax.Path
    place: Key
    asked: tuple[syntax.Expression, ...]
    variables: Mapping[str, Variable]

    @property
    def applies(self) -> bool:
        """Whether the rule does what it says, and not only in shadow."""
        return not is_shadow(self.rule)

    def expressions(self) -> Iterator[syntax.Expression]:
        """What the statement computes, its place apart."""
        for argument in self.action.arguments.values():
            if argument is not self.path and not isinstance(argument, syntax.Word):
                yield argument


def note_write(scope: Scope, action: syntax.Action, path: syntax.Path, place: Key) -> None:
    """Keep what a statement writes."""
    if scope.rule is not None and not scope.findings.silent:
        write = Write(scope.findings, scope.rule, action, path, place, scope.asked, own_variables(scope))
        scope.setting.writes.append(write)


def own_variables(scope: Scope) -> dict[str, Variable]:
    """The variables of the rule, without those of its file, which are constants."""
    own = islice(reversed(scope.variables.items()), max(0, len(scope.variables) - scope.outer))
    return dict(own)


def is_shadow(rule: syntax.Rule) -> bool:
    """Whether a rule is only tried out."""
    return any(flag.text == "shadow" for flag in rule.flags)


def find_paths(*nodes: syntax.Node) -> Iterator[syntax.Path]:
    """All paths in some expressions."""
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        if isinstance(node, syntax.Path):
            yield node
        waiting.extend(reversed(list(children(node))))


def names_step(path: syntax.Path, name: str) -> bool:
    """Whether a path goes through a member of this name."""
    for step in path.steps:
        if isinstance(step, syntax.Member) and step.name == name:
            return True
        if isinstance(step, syntax.Index):
            key = bare(step.key)
            if isinstance(key, syntax.Literal) and key.value == name:
                return True
    return False
