"""Files that are checked together: the user's own, and those of the packs that these use, in the order they act in.

What a name means is a unit's own affair (its parameters, its rules' names); what rules do to each other is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ruleproxy.language import syntax
from ruleproxy.language.checking.findings import Findings
from ruleproxy.language.checking.scope import Key, KeyStep, Scope, Setting, literal_string
from ruleproxy.language.checking.secrets import find_secret
from ruleproxy.language.types import Type

if TYPE_CHECKING:
    from ruleproxy.language.checking.remembering import CheckedRule, CheckMemory


@dataclass(frozen=True, slots=True)
class UsedPack:
    """The files that a `use` stands for, what its rules' names begin with, the parameters that it declares."""

    files: Sequence[syntax.RulesFile]
    prefix: str
    parameters: Mapping[str, Type]


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """The user's own files (`use` is None), or a pack's, and where they are used; `number` tells them apart."""

    setting: Setting
    number: int = 0
    prefix: str = ""
    use: syntax.Use | None = None
    user: Findings | None = None

    def qualify(self, key: Key) -> Key:
        """A place, with the pack's own parameters told from those of others."""
        if self.number == 0:
            return key
        steps: tuple[KeyStep, ...] = tuple(self.qualify(step) if isinstance(step, tuple) else step for step in key)
        return (steps[0], f"#{self.number}", *steps[1:]) if steps[0] == "parameters" else steps


@dataclass(slots=True)
class Expansion:
    """What has been gone through: the findings of each file, and every rule in effective order."""

    findings: list[Findings]
    memory: CheckMemory | None
    rules: list[tuple[Unit, Findings, CheckedRule]] = field(default_factory=list)
    units: int = 0

    def open_pack(self, scope: Scope, pack: UsedPack, use: syntax.Use) -> Unit:
        """The unit that a `use` in a scope stands for; what it writes is kept beside what the others do."""
        self.units += 1
        given = () if use.parameters is None else use.parameters.fields
        secrets = {literal_string(field.key) for field in given if field.key and find_secret(scope, field.value)}
        own = replace(scope.setting, parameters=pack.parameters, used_parameters=set(),
                      secret_parameters=frozenset(name for name in secrets if name))  # fmt: skip
        return Unit(own, self.units, pack.prefix, use, scope.findings)
