"""All files of a set of rules: names that must be unique, locals of files, and each item by its own check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ruleproxy.language import syntax
from ruleproxy.language.checking.betas import check_betas
from ruleproxy.language.checking.coverage import check_coverage
from ruleproxy.language.checking.expectations import KnownRules, check_test
from ruleproxy.language.checking.expressions import type_expression
from ruleproxy.language.checking.findings import Findings
from ruleproxy.language.checking.overwritten import check_overwritten
from ruleproxy.language.checking.prompts import check_prompts
from ruleproxy.language.checking.remembering import CheckMemory, check_or_recall, context_of, extend_context
from ruleproxy.language.checking.removed import check_removed
from ruleproxy.language.checking.retries import check_retries
from ruleproxy.language.checking.scope import CheckLiteral, Scope, Setting, Variable
from ruleproxy.language.checking.sequence import place_rules
from ruleproxy.language.checking.statements import check_local
from ruleproxy.language.checking.thinking import check_content, check_thinking
from ruleproxy.language.checking.units import Expansion, Unit, UsedPack
from ruleproxy.language.checking.unreachable import check_reach
from ruleproxy.language.checking.variables import Declared, release
from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.signatures import Vocabulary
from ruleproxy.language.source import Span
from ruleproxy.language.types import Type

NEWEST_EDITION = 1


def check_files(
    files: Sequence[syntax.RulesFile],
    vocabulary: Vocabulary,
    *,
    upstreams: Mapping[str, str] | None = None,
    declared_parameters: Mapping[str, Type] | None = None,
    check_literal: CheckLiteral | None = None,
    packs: Mapping[int, UsedPack] = MappingProxyType({}),
    memory: CheckMemory | None = None,
) -> list[Diagnostic]:
    """Everything that is wrong with files that belong together, in effective order; never raises.

    `upstreams` are the declared ones, name to origin (`scheme://host[:port]`); None where they are not known, then
    origins are not checked. `declared_parameters` are those of a pack's manifest, with their types; None outside
    of packs.
    `check_literal` says what is wrong with the arguments that a function prepares at load time (one string an
    argument, empty for what is not written out), or None. `packs` are the packs that could be opened, by the `id` of
    the `use` in the files. `memory` holds what an earlier check found in rules, and what this one does.
    """
    unit = Unit(Setting(vocabulary, vocabulary.forms, upstreams, declared_parameters, check_literal))
    expansion = Expansion([Findings(file.source, file.whole, file.lost) for file in files], memory)
    all_findings = list(expansion.findings)
    check_unit(unit, files, all_findings, packs, expansion)
    if expansion.rules and all(findings.whole for findings in expansion.findings):
        check_together(expansion, unit.setting)
    if files and declared_parameters is not None:
        report_unused_parameters(unit.setting, files[0], all_findings[0])
    return [diagnostic for findings in expansion.findings for diagnostic in findings.diagnostics]


def check_unit(
    unit: Unit,
    files: Sequence[syntax.RulesFile],
    all_findings: Sequence[Findings],
    packs: Mapping[int, UsedPack],
    expansion: Expansion,
) -> None:
    """The files of a unit, and of the packs where they are used."""
    check_rule_names(files, all_findings)
    names = find_names(files, packs)
    for file, findings in zip(files, all_findings, strict=True):
        check_file(unit, file, findings, names, packs, expansion)
    check_coverage(files, all_findings)


def check_together(expansion: Expansion, setting: Setting) -> None:
    """What several statements do together, in one rule or in several."""
    writes = setting.writes
    check_prompts(Scope(setting, expansion.findings[0], "request"), writes)
    check_thinking(writes)
    check_content(writes)
    check_betas(writes)
    rules = place_rules(expansion, writes)
    check_reach(rules)
    check_removed(rules)
    check_overwritten(rules)
    check_retries(rules)


def check_rule_names(files: Sequence[syntax.RulesFile], all_findings: Sequence[Findings]) -> None:
    """Rules of the same name, wherever they stand."""
    seen: dict[str, tuple[Findings, Span]] = {}
    for file, findings in zip(files, all_findings, strict=True):
        for item in file.items:
            if not isinstance(item, syntax.Rule):
                continue
            if not item.name.strip():
                findings.add("RP201", "a rule has a name", item.name_span)
                continue
            first, span = seen.setdefault(item.name, (findings, item.name_span))
            if first is not findings or span != item.name_span:
                message = f'two rules are named "{item.name}"'
                findings.add("RP203", message, item.name_span, second=span, second_label="the first one",
                             second_in=first)  # fmt: skip


def find_names(files: Sequence[syntax.RulesFile], packs: Mapping[int, UsedPack]) -> KnownRules:
    """The names that a test may call rules by: those of packs with their pack's name or without."""
    own = [item.name for file in files for item in file.items if isinstance(item, syntax.Rule)]
    names = set(own).union(*(file.lost for file in files))
    complete = all(file.whole for file in files)
    for use in (item for file in files for item in file.items if isinstance(item, syntax.Use)):
        pack = packs.get(id(use))
        complete = complete and pack is not None
        for file in pack.files if pack is not None else ():
            for item in file.items:
                if pack is not None and isinstance(item, syntax.Rule):
                    names |= {item.name, pack.prefix + item.name}
    return KnownRules(frozenset(names), complete, own[0] if own else None)


def check_file(
    unit: Unit,
    file: syntax.RulesFile,
    findings: Findings,
    names: KnownRules,
    packs: Mapping[int, UsedPack],
    expansion: Expansion,
) -> None:
    """One file, from its top: a `local` is known below it."""
    setting = unit.setting
    locals_of_file: dict[str, Variable] = {}
    declared: list[Declared] = []
    tests: dict[str, Span] = {}
    later = {item.name for item in file.items if isinstance(item, syntax.Local)}
    context = extend_context(context_of(setting), *sorted(later))
    for item in file.items:
        # Blocks give back the names that they declare, so that all items can share those of the file.
        scope = Scope(setting, findings, "file", locals_of_file, later_locals=later, outer=len(locals_of_file))
        match item:
            case syntax.Edition(number=number, span=span):
                check_edition(findings, number, span)
            case syntax.Use(parameters=parameters):
                if parameters is not None:
                    type_expression(scope, parameters)
                if (pack := packs.get(id(item))) is not None:
                    check_pack(expansion.open_pack(scope, pack, item), pack, expansion)
            case syntax.Local(name=name):
                later.discard(name)
                declared.append(check_local(scope, item))
                context = extend_context(context, file.source.slice(item.span))
            case syntax.Rule():
                expansion.rules.append((unit, *check_or_recall(expansion.memory, context, scope, item)))
            case syntax.Test():
                check_test_name(findings, item, tests)
                check_test(scope, item, names)
    release(Scope(setting, findings, "file", locals_of_file), [last for last in declared if last.hidden is None])


def check_pack(unit: Unit, pack: UsedPack, expansion: Expansion) -> None:
    """The files of a pack, in the place where they are used."""
    all_findings = [Findings(file.source, file.whole, file.lost) for file in pack.files]
    expansion.findings += all_findings
    check_unit(unit, pack.files, all_findings, {}, expansion)


def check_edition(findings: Findings, number: int, span: Span) -> None:
    """The edition of a file: one that this version reads."""
    if number != NEWEST_EDITION:
        label = f"this version knows edition {NEWEST_EDITION}"
        findings.add("RP901", f"unknown edition {number}", span, label, help=f"edition {NEWEST_EDITION}")


def check_test_name(findings: Findings, test: syntax.Test, seen: dict[str, Span]) -> None:
    """Tests of the same name in one file."""
    first = seen.setdefault(test.name, test.name_span)
    if first != test.name_span:
        message = f'two tests are named "{test.name}"'
        findings.add("RP203", message, test.name_span, second=first, second_label="the first one")


def report_unused_parameters(setting: Setting, file: syntax.RulesFile, findings: Findings) -> None:
    """Parameters of a pack that no rule reads; said at the top of its first file."""
    first = file.items[0].span if file.items else Span(0, 0)
    line = file.source.position(first.start).line
    span = Span(first.start, first.start + len(file.source.line(line).rstrip())) if file.items else first
    for name in sorted((setting.parameters or {}).keys() - setting.used_parameters):
        message = f"the parameter `{name}` is never used"
        findings.add("RP204", message, span, "declared in pack.toml", help="remove it there, or read it here")
