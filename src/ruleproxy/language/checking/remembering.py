"""What the check of a rule found, kept by its text: after a save only the rules that changed are checked again.

What is found in a rule by itself is made of its text, of the `local`s of its file and of the setting, wherever it
stands. It is kept with the tree that it was found in, and said again at the place where the text stands now. What
rules do together is asked anew each time, of facts that are kept with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, fields, replace
from hashlib import blake2b

from ruleproxy.language import syntax
from ruleproxy.language.checking.findings import Findings
from ruleproxy.language.checking.rules import check_rule
from ruleproxy.language.checking.scope import Scope, Setting
from ruleproxy.language.checking.sequence import PlacedRule
from ruleproxy.language.checking.writes import Write, find_paths
from ruleproxy.language.diagnostics import Diagnostic, Label
from ruleproxy.language.generations import Generations
from ruleproxy.language.problems import move_span
from ruleproxy.language.source import Source, Span


def context_of(setting: Setting) -> bytes:
    """A digest of what the check of a rule is made of beside its text, at the top of a file.

    The vocabulary is the same in all of a process.
    """
    return extend_context(b"", *(f"{name} {read_plainly(getattr(setting, name))}" for name in GIVEN))


def read_plainly(value: object) -> str:
    """A value of a setting as text: the same for equal ones."""
    match value:
        case Mapping():
            return repr(sorted(value.items()))
        case Set():
            return repr(sorted(value))
    return repr(value)


SHARED = frozenset({"vocabulary", "forms", "check_literal", "shapes", "used_parameters", "writes"})
"""What a setting holds that is the same for all in a process, or that the checks write themselves."""

GIVEN = tuple(field.name for field in fields(Setting) if field.name not in SHARED)


def extend_context(context: bytes, *texts: str) -> bytes:
    """The digest where some more counts as well."""
    digest = blake2b(context, digest_size=16)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d\0" % len(data) + data)
    return digest.digest()


@dataclass(slots=True)
class CheckedRule:
    """A rule that was checked: its tree then, its names, what was found, what it did to what it shares with others."""

    rule: syntax.Rule
    names: frozenset[str] = frozenset()
    found: tuple[Diagnostic, ...] = ()
    writes: tuple[Write, ...] = ()
    variables: tuple[str, ...] = ()
    parameters: frozenset[str] = frozenset()
    placed: PlacedRule | None = None


class CheckMemory:
    """What the checks of rules found, from one check of some files to the next."""

    def __init__(self) -> None:
        self.rules: Generations[tuple[bytes, str], CheckedRule] = Generations()


def check_or_recall(
    memory: CheckMemory | None, context: bytes, scope: Scope, rule: syntax.Rule
) -> tuple[Findings, CheckedRule]:
    """Check a rule, or say again what was found in the same text; gives what is known of it, and where that counts."""
    if memory is None:
        check_rule(scope, rule)
        return scope.findings, CheckedRule(rule)
    source = scope.findings.source
    key = (context, source.slice(rule.span))
    known = memory.rules.find(key)
    lost = scope.findings.lost
    if known is not None and known.names.isdisjoint(lost):
        return recall(known, scope, rule), known
    found, checked = check_and_note(scope, rule)
    if checked.names.isdisjoint(lost) and all(lies_in(last, source, rule.span) for last in found):
        checked.found = tuple(move_diagnostic(last, NOWHERE.source, 0) for last in found)
        memory.rules.keep(key, checked)
    return scope.findings, checked


NOWHERE = Findings(Source("", ""))
"""What stands for the file in what is kept: no text of a file outlives its next version."""


def check_and_note(scope: Scope, rule: syntax.Rule) -> tuple[list[Diagnostic], CheckedRule]:
    """Check a rule; gives what was found, and what that added to what the rules share."""
    setting, findings = scope.setting, scope.findings
    names = {path.base.name for path in find_paths(rule) if isinstance(path.base, syntax.Name)}
    outer = [variable for name in names if (variable := scope.variables.get(name)) is not None]
    used_before = [variable for variable in outer if variable.used]
    for variable in used_before:
        variable.used = False
    parameters_before = set(setting.used_parameters)
    setting.used_parameters.clear()
    found_before, written_before = len(findings.diagnostics), len(setting.writes)
    check_rule(scope, rule)
    checked = CheckedRule(
        rule,
        names=frozenset(names),
        writes=tuple(replace(write, findings=NOWHERE) for write in setting.writes[written_before:]),
        variables=tuple(variable.name for variable in outer if variable.used),
        parameters=frozenset(setting.used_parameters),
    )
    for variable in used_before:
        variable.used = True
    setting.used_parameters.update(parameters_before)
    return findings.diagnostics[found_before:], checked


def recall(known: CheckedRule, scope: Scope, rule: syntax.Rule) -> Findings:
    """Do again what the check did, where the rule stands now; gives the findings for the tree that was checked."""
    findings, setting = scope.findings, scope.setting
    distance = rule.span.start - known.rule.span.start
    if distance:
        findings = replace(findings, offset=distance)
    findings.diagnostics += (move_diagnostic(found, findings.source, distance) for found in known.found)
    setting.writes.extend(replace(write, findings=findings) for write in known.writes)
    setting.used_parameters.update(known.parameters)
    for name in known.variables:
        scope.variables[name].used = True
    return findings


def move_diagnostic(found: Diagnostic, source: Source, distance: int) -> Diagnostic:
    """A finding in another source, that many characters further on."""
    primary, secondary = found.primary, found.secondary
    moved = Label(source, move_span(primary.span, distance), primary.text)
    second = None if secondary is None else Label(source, move_span(secondary.span, distance), secondary.text)
    return replace(found, primary=moved, secondary=second)


def lies_in(found: Diagnostic, source: Source, span: Span) -> bool:
    """Whether all that a finding points at lies in a span of a source."""
    labels: Iterable[Label] = (found.primary,) if found.secondary is None else (found.primary, found.secondary)
    return all(
        label.source is source and span.start <= label.span.start and label.span.end <= span.end for label in labels
    )
