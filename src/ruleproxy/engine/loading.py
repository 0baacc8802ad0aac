"""From folders of rules to a ruleset: read, parse, expand packs, check, compile. All or nothing."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ruleproxy.engine.compiling import CompiledRule, RuleCompiler, evaluate_constant
from ruleproxy.engine.expressions import CannotCompile
from ruleproxy.engine.origins import find_origins
from ruleproxy.engine.parameters import example_parameters, fill_parameters, read_parameters, type_parameters
from ruleproxy.engine.remembering import LoadMemory, NotedConstants
from ruleproxy.engine.ruleset import BadParameters, Ruleset, RuleTest
from ruleproxy.engine.surroundings import Surroundings
from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.checking import UsedPack, check_files
from ruleproxy.language.diagnostics import Diagnostic, Severity
from ruleproxy.language.parsing import parse
from ruleproxy.language.problems import Problem, place_problem
from ruleproxy.language.reading import source_from_bytes
from ruleproxy.language.reporting import sort_diagnostics
from ruleproxy.language.source import Source, Span
from ruleproxy.language.suggestions import find_nearest
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import EditRefused
from ruleproxy.packs.folders import MANIFEST, RulesText, Unreadable, read_file, read_rules, shown_path
from ruleproxy.packs.lock import BadLock
from ruleproxy.packs.manifest import BadPack, Manifest
from ruleproxy.packs.shelf import Shelf
from ruleproxy.resources import packs_folder

MOST_USES: Final = 200
"""Lines of `use` in all files together: each stands for all rules of a pack."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading: a ruleset where nothing was wrong, else only the findings.

    `files` is how many rules files were read, packs included; `places` are the folders of packs and the tables that
    were read, or looked for, beside the paths that were named.
    """

    ruleset: Ruleset | None
    diagnostics: list[Diagnostic]
    unreadable: list[Unreadable]
    files: int
    places: tuple[Path, ...] = ()

    @property
    def errors(self) -> int:
        """How many findings keep the rules from running."""
        return len(self.unreadable) + sum(d.severity is Severity.ERROR for d in self.diagnostics)


@dataclass(slots=True)
class _Unit:
    """Files that are checked together: the user's own, or one pack with its parameters.

    `alone`: the pack was not asked for by a `use`, it is what was to be loaded; `tests_of` is the one file whose
    tests count, by its shown name, None for all. `packs` are those in use, by the `id` of their `use`.
    """

    files: list[syntax.RulesFile]
    manifest: Manifest | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""
    alone: bool = False
    tests_of: str | None = None
    packs: Mapping[int, _Unit] = field(default_factory=dict)


@dataclass(slots=True)
class _Compiled:
    """What compiling units has given so far."""

    rules: list[CompiledRule] = field(default_factory=list)
    tests: list[RuleTest] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)


def load_rules(
    paths: Sequence[Path],
    upstreams: Sequence[Upstream] | None,
    parameters: Mapping[str, Any] | None = MappingProxyType({}),
    *,
    environment: Mapping[str, str] | None = None,
    memory: LoadMemory | None = None,
) -> Loaded:
    """Load folders and files of rules in this order; without `upstreams` their origins are not checked.

    A path that is a pack (a folder with a manifest) is loaded as what it is, with these `parameters` over its
    defaults; None stands for any that it may get, to check it by itself. A file in a pack stands for the whole pack,
    and for its own tests alone. Secrets come from `environment`; without one they read as they are printed. With a
    `memory` only what has changed since the last load is checked and compiled; what comes of it is the same.
    """
    with _collection_paused():
        return _Loader(paths, upstreams, parameters, environment, memory).load()


@contextmanager
def _collection_paused() -> Iterator[None]:
    """No garbage collection: a load makes many objects that stay, and next to none that are garbage."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Loader:
    def __init__(
        self,
        paths: Sequence[Path],
        upstreams: Sequence[Upstream] | None,
        parameters: Mapping[str, Any] | None,
        environment: Mapping[str, str] | None,
        memory: LoadMemory | None,
    ) -> None:
        self.paths = paths
        self.environment = environment
        self.given = parameters
        self.memory = memory
        self.upstreams = None if upstreams is None else {u.name: u.origin for u in upstreams}
        self.vocabulary = load_vocabulary()
        self.shelf = Shelf(paths, packs_folder())
        self.diagnostics: list[Diagnostic] = []
        self.unreadable: list[Unreadable] = []
        self.digest = hashlib.sha256()
        self.secrets: set[str] = set()
        self.files = 0
        self.folders: dict[int, tuple[syntax.RulesFile, Path]] = {}
        """Where each file lies, by its identity; the file is held with it."""
        self.parsed: dict[Path, syntax.RulesFile | None] = {}
        """The files of packs, None where one is not text."""
        self.places: dict[Path, None] = {}

    def load(self) -> Loaded:
        if self.memory is not None:
            self.memory.begin()
        own = _Unit([])
        units = [own]
        for path in self.paths:
            folder = path if path.is_dir() else path.parent
            if (folder / MANIFEST).is_file():
                units += self._open_alone(path, folder)
            else:
                texts, unreadable = read_rules(path)
                self.unreadable += unreadable
                own.files += self._parse(texts)
        for unit in units:
            self._check(unit)
        ruleset = None
        if not self._broken:
            compiled = _Compiled()
            for unit in units:
                self._compile(unit, compiled)
            ruleset = None if self._broken else self._ruleset(compiled)
        if self.memory is not None and ruleset is not None:
            self.memory.finish()
        self.memory = None  # a test that gives other parameters compiles for itself
        return Loaded(ruleset, sort_diagnostics(self.diagnostics), self.unreadable, self.files, tuple(self.places))

    def _ruleset(self, compiled: _Compiled) -> Ruleset:
        origins = tuple(dict.fromkeys(compiled.origins))
        return Ruleset(
            tuple(compiled.rules), tuple(compiled.tests), self.digest.hexdigest(), origins, frozenset(self.secrets)
        )

    def _open_alone(self, path: Path, folder: Path) -> Iterator[_Unit]:
        try:
            pack = self.shelf.open(folder)
            parameters = (
                example_parameters(pack.manifest) if self.given is None else fill_parameters(self.given, pack.manifest)
            )
        except (BadPack, BadParameters) as error:
            self._manifest_error(folder, str(error))
            return
        if not path.exists():
            self.unreadable.append(Unreadable(shown_path(path), "no such file or directory"))
        self.unreadable += pack.unreadable
        tests_of = None if path.is_dir() else shown_path(path)
        files = list(self._parse(pack.texts))
        unit = _Unit(files, pack.manifest, parameters, alone=True, tests_of=tests_of)
        self._refuse_uses(unit)
        yield unit

    def _with_parameters(self, unit: _Unit, given: Mapping[str, Any]) -> Ruleset:
        assert unit.manifest is not None
        again = replace(unit, parameters=fill_parameters(given, unit.manifest))
        compiled, known = _Compiled(), len(self.diagnostics)
        self._compile(again, compiled)
        if len(self.diagnostics) > known:
            raise BadParameters("; ".join(found.message for found in self.diagnostics[known:]))
        return self._ruleset(compiled)

    @property
    def _broken(self) -> bool:
        return bool(self.unreadable) or any(d.severity is Severity.ERROR for d in self.diagnostics)

    def _parse(self, texts: Iterable[RulesText]) -> Iterator[syntax.RulesFile]:
        for text in texts:
            file = self._parse_text(text)
            if file is not None:
                yield file

    def _parse_text(self, text: RulesText) -> syntax.RulesFile | None:
        self.files += 1
        self.digest.update(b"%s\0%d\0" % (text.relative.encode(errors="surrogateescape"), len(text.data)))
        self.digest.update(text.data)
        source = source_from_bytes(text.shown, text.data)
        if isinstance(source, Diagnostic):
            self.diagnostics.append(source)
            return None
        file, problems = parse(source)
        self.folders[id(file)] = (file, text.path.parent)
        self.diagnostics += problems
        return file

    def _parse_once(self, texts: Iterable[RulesText]) -> Iterator[syntax.RulesFile]:
        for text in texts:
            if text.path not in self.parsed:
                self.parsed[text.path] = self._parse_text(text)
            file = self.parsed[text.path]
            if file is not None:
                yield file

    def _check(self, unit: _Unit) -> None:
        if unit.manifest is None:
            unit.packs = {id(use): pack for use, pack in self._uses(unit)}
        self.diagnostics += check_files(
            unit.files,
            self.vocabulary,
            upstreams=self.upstreams,
            declared_parameters=type_parameters(unit.manifest) if unit.manifest else None,
            check_literal=check_literal,
            packs={
                key: UsedPack(pack.files, pack.prefix, type_parameters(pack.manifest) if pack.manifest else {})
                for key, pack in unit.packs.items()
            },
            memory=None if self.memory is None else self.memory.checked,
        )

    def _uses(self, unit: _Unit) -> Iterator[tuple[syntax.Use, _Unit]]:
        uses = ((file, item) for file in unit.files for item in file.items if isinstance(item, syntax.Use))
        for number, (file, use) in enumerate(uses, 1):
            if number > MOST_USES:
                message = f"more than {MOST_USES} lines of `use`"
                self._error(file.source, use.span, "RP104", message, "a pack stands for all of its rules: use it once")
                return
            pack = self._open_pack(file.source, use)
            if pack is not None:
                yield use, pack

    def _compile(self, unit: _Unit, compiled: _Compiled) -> None:
        if self.memory is not None:
            unit.parameters = self.memory.same_value(unit.prefix, "parameters", unit.parameters)
        for file in unit.files:
            constants = NotedConstants()
            around = self._surroundings(file, unit)
            compiler = RuleCompiler(file.source, constants, self.vocabulary, unit.parameters, around)
            for item in file.items:
                try:
                    match item:
                        case syntax.Local(name=name):
                            value = evaluate_constant(item.value, constants, self.vocabulary, unit.parameters, around)
                            if self.memory is not None:
                                value = self.memory.same_value(f"{unit.prefix} {file.source.name}", name, value)
                            constants[name] = value
                        case syntax.Rule():
                            rule = self._compile_rule(compiler, item, unit, constants)
                            compiled.rules.append(rule)
                            if any(path.startswith("upstream") for path in rule.effects.writes):
                                known = {**constants, "parameters": unit.parameters}
                                compiled.origins += find_origins(item, known)
                        case syntax.Use() if id(item) in unit.packs:
                            self._compile(unit.packs[id(item)], compiled)
                        case syntax.Test() if unit.manifest is None or unit.alone:
                            again = partial(self._with_parameters, unit) if unit.alone else None
                            test = RuleTest(file.source, item, constants, unit.parameters, with_parameters=again)
                            if unit.tests_of in (None, file.source.name):
                                compiled.tests.append(test)
                except CannotCompile as error:
                    self._error(file.source, error.node.span, "RP202", str(error))
                except EditRefused as refused:
                    self._error(file.source, item.span, "RP302", str(refused))

    def _compile_rule(
        self, compiler: RuleCompiler, node: syntax.Rule, unit: _Unit, constants: NotedConstants
    ) -> CompiledRule:
        name = unit.prefix + node.name
        if self.memory is None:
            return compiler.compile(node, name)
        return self.memory.compile(compiler, node, name, constants, unit.parameters)

    def _surroundings(self, file: syntax.RulesFile, unit: _Unit) -> Surroundings:
        refusal = "rules of a pack get secrets as parameters, so that who uses the pack sees them"
        folder = self.folders[id(file)][1]
        refusal_here = None if unit.manifest is None else refusal
        return Surroundings(
            folder, self.environment, self.digest.update, refusal_here, self.secrets.add, self._note_place
        )

    def _note_place(self, place: Path) -> None:
        self.places[place] = None

    def _open_pack(self, source: Source, use: syntax.Use) -> _Unit | None:
        owner, _, rest = use.pack.partition("/")
        pack_name, _, part = rest.partition("/")
        name = f"{owner}/{pack_name}"
        folder = self.shelf.find(name)
        if folder is None:
            nearest = find_nearest(name, self.shelf.names)
            offer = () if nearest is None else (f'did you mean use "{nearest}"',)
            message = f'no pack "{name}" is here' if rest else f'"{use.pack}" is no name of a pack: owner/pack is'
            self._error(source, use.pack_span, "RP901", message, *offer, f"looked in {self.shelf.described}")
            return None
        self._note_place(folder)
        try:
            pack = self.shelf.open(folder)
        except BadPack as error:
            offers = (f"ruleproxy pack lock {folder}, if the change is meant",) if isinstance(error, BadLock) else ()
            self._error(source, use.pack_span, "RP901", str(error), *offers)
            return None
        # A default that changes is other rules, although no rules file is.
        self.digest.update(pack.manifest_data)
        self.unreadable += [problem for problem in pack.unreadable if problem not in self.unreadable]
        texts = pack.texts
        if part:
            texts = [text for text in texts if text.relative == f"{part}.rules"]
            if not texts:
                self._error(source, use.pack_span, "RP901", f'the pack "{name}" has no {part}.rules')
        parameters = self._parameters(source, use, pack.manifest)
        unit = _Unit(list(self._parse_once(texts)), pack.manifest, parameters, f"{pack_name}/")
        self._refuse_uses(unit)
        return unit

    def _refuse_uses(self, unit: _Unit) -> None:
        for file in unit.files:
            for item in file.items:
                if isinstance(item, syntax.Use):
                    self._error(file.source, item.span, "RP901", "a pack cannot use another pack")

    def _parameters(self, source: Source, use: syntax.Use, manifest: Manifest) -> dict[str, Any]:
        around = Surroundings(None, self.environment, keep=self.secrets.add)
        given, problems = read_parameters(
            use, manifest, lambda value: evaluate_constant(value, {}, self.vocabulary, {}, around)
        )
        self.diagnostics += (place_problem(problem, source, 0) for problem in problems)
        return given

    def _manifest_error(self, folder: Path, message: str) -> None:
        file = folder / MANIFEST
        try:
            text = read_file(file).decode("utf-8", "replace")
        except OSError:
            text = ""  # the message says why
        self._error(Source(shown_path(file), text), Span(0, 0), "RP901", message)

    def _error(self, source: Source, span: Span, code: str, message: str, *help_lines: str) -> None:
        self.diagnostics.append(place_problem(Problem(code, message, span, help=help_lines), source, 0))
