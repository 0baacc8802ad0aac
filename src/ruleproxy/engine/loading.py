"""From folders of rules to a ruleset: read, parse, expand packs, check, compile. All or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruleproxy.engine.compiling import CompiledRule, RuleCompiler, evaluate_constant
from ruleproxy.engine.expressions import CannotCompile
from ruleproxy.engine.origins import find_origins
from ruleproxy.engine.ruleset import BadParameters, Ruleset, RuleTest
from ruleproxy.engine.surroundings import Surroundings
from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.checking import UsedPack, check_files
from ruleproxy.language.diagnostics import Diagnostic, Label, Severity
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_bytes
from ruleproxy.language.reporting import sort_diagnostics
from ruleproxy.language.source import Source, Span
from ruleproxy.language.suggestions import find_nearest
from ruleproxy.messages.secrets import Secret
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import EditRefused
from ruleproxy.packs.folders import MANIFEST, RulesText, Unreadable, read_rules, shown_path
from ruleproxy.packs.manifest import BadManifest, Manifest, find_pack, read_manifest
from ruleproxy.resources import packs_folder


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading: a ruleset where nothing was wrong, else only the findings.

    `files` is how many rules files were read, packs included.
    """

    ruleset: Ruleset | None
    diagnostics: list[Diagnostic]
    unreadable: list[Unreadable]
    files: int

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
) -> Loaded:
    """Load folders and files of rules in this order; without `upstreams` their origins are not checked.

    A path that is a pack (a folder with a manifest) is loaded as what it is, with these `parameters` over its
    defaults; None stands for any that it may get, to check it by itself. A file in a pack stands for the whole pack,
    and for its own tests alone. Secrets come from `environment`; without one they read as they are printed.
    """
    return _Loader(paths, upstreams, parameters, environment).load()


class _Loader:
    def __init__(
        self,
        paths: Sequence[Path],
        upstreams: Sequence[Upstream] | None,
        parameters: Mapping[str, Any] | None,
        environment: Mapping[str, str] | None,
    ) -> None:
        self.paths = paths
        self.environment = environment
        self.given = parameters
        self.upstreams = None if upstreams is None else {u.name: u.origin for u in upstreams}
        self.vocabulary = load_vocabulary()
        self.diagnostics: list[Diagnostic] = []
        self.unreadable: list[Unreadable] = []
        self.digest = hashlib.sha256()
        self.secrets: set[str] = set()
        self.files = 0
        self.folders: dict[int, tuple[syntax.RulesFile, Path]] = {}
        """Where each file lies, by its identity; the file is held with it."""

    def load(self) -> Loaded:
        own = _Unit([])
        units = [own]
        for path in self.paths:
            folder = path if path.is_dir() else path.parent
            if (folder / MANIFEST).is_file():
                units += self._open_alone(path, folder)
            else:
                own.files += self._parse(*read_rules(path))
        for unit in units:
            self._check(unit)
        ruleset = None
        if not self._broken:
            compiled = _Compiled()
            for unit in units:
                self._compile(unit, compiled)
            ruleset = None if self._broken else self._ruleset(compiled)
        return Loaded(ruleset, sort_diagnostics(self.diagnostics), self.unreadable, self.files)

    def _ruleset(self, compiled: _Compiled) -> Ruleset:
        origins = tuple(dict.fromkeys(compiled.origins))
        return Ruleset(
            tuple(compiled.rules), tuple(compiled.tests), self.digest.hexdigest(), origins, frozenset(self.secrets)
        )

    def _open_alone(self, path: Path, folder: Path) -> Iterator[_Unit]:
        try:
            manifest = read_manifest(folder)
        except BadManifest as error:
            self._manifest_error(folder, str(error))
            return
        try:
            parameters = _example_parameters(manifest) if self.given is None else fill_parameters(self.given, manifest)
        except BadParameters as error:
            self._manifest_error(folder, str(error))
            return
        if not path.exists():
            self.unreadable.append(Unreadable(shown_path(path), "no such file or directory"))
        tests_of = None if path.is_dir() else shown_path(path)
        files = list(self._parse(*read_rules(folder)))
        unit = _Unit(files, manifest, parameters, alone=True, tests_of=tests_of)
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

    def _parse(self, texts: list[RulesText], unreadable: list[Unreadable]) -> Iterator[syntax.RulesFile]:
        self.unreadable += unreadable
        for text in texts:
            self.files += 1
            self.digest.update(b"%s\0%d\0" % (text.relative.encode(errors="surrogateescape"), len(text.data)))
            self.digest.update(text.data)
            source = source_from_bytes(text.shown, text.data)
            if isinstance(source, Diagnostic):
                self.diagnostics.append(source)
                continue
            file, problems = parse(source)
            self.folders[id(file)] = (file, text.path.parent)
            self.diagnostics += problems
            yield file

    def _check(self, unit: _Unit) -> None:
        if unit.manifest is None:
            unit.packs = {id(use): pack for _, use, pack in self._uses(unit)}
        self.diagnostics += check_files(
            unit.files,
            self.vocabulary,
            upstreams=self.upstreams,
            declared_parameters=frozenset(unit.manifest.parameters) if unit.manifest else None,
            check_literal=check_literal,
            packs={
                key: UsedPack(pack.files, pack.prefix, frozenset(pack.manifest.parameters if pack.manifest else ()))
                for key, pack in unit.packs.items()
            },
        )

    def _uses(self, unit: _Unit) -> Iterator[tuple[syntax.RulesFile, syntax.Use, _Unit]]:
        for file in unit.files:
            for item in file.items:
                if isinstance(item, syntax.Use) and (pack := self._open_pack(file.source, item)) is not None:
                    yield file, item, pack

    def _compile(self, unit: _Unit, compiled: _Compiled) -> None:
        for file in unit.files:
            constants: dict[str, Any] = {}
            around = self._surroundings(file, unit)
            compiler = RuleCompiler(file.source, constants, self.vocabulary, unit.parameters, around)
            for item in file.items:
                try:
                    match item:
                        case syntax.Local():
                            constants[item.name] = evaluate_constant(
                                item.value, constants, self.vocabulary, unit.parameters, around
                            )
                        case syntax.Rule():
                            compiled.rules.append(compiler.compile(item, unit.prefix + item.name))
                            compiled.origins += find_origins(item, {**constants, "parameters": unit.parameters})
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

    def _surroundings(self, file: syntax.RulesFile, unit: _Unit) -> Surroundings:
        refusal = "rules of a pack get secrets as parameters, so that who uses the pack sees them"
        folder = self.folders[id(file)][1]
        refusal_here = None if unit.manifest is None else refusal
        return Surroundings(folder, self.environment, self.digest.update, refusal_here, self.secrets.add)

    def _open_pack(self, source: Source, use: syntax.Use) -> _Unit | None:
        owner, _, rest = use.pack.partition("/")
        pack, _, part = rest.partition("/")
        folder = find_pack(f"{owner}/{pack}", [path for path in self.paths if path.is_dir()] + [packs_folder()])
        if folder is None:
            known = sorted(path.parent.name for path in packs_folder().glob("*/pack.toml"))
            self._error(source, use.pack_span, "RP901", f'no pack "{owner}/{pack}" is here',
                        *_did_you_mean(pack, known, 'use "ruleproxy/{}"'))  # fmt: skip
            return None
        try:
            manifest = read_manifest(folder)
        except BadManifest as error:
            self._error(source, use.pack_span, "RP901", str(error))
            return None
        # A default that changes is other rules, although no rules file is.
        self.digest.update((folder / MANIFEST).read_bytes())
        texts, unreadable = read_rules(folder)
        if folder.is_relative_to(packs_folder()):  # where they lie on this machine tells nobody anything
            texts = [replace(text, shown=f"{manifest.name}/{text.relative}") for text in texts]
        if part:
            texts = [text for text in texts if text.relative == f"{part}.rules"]
            if not texts:
                self._error(source, use.pack_span, "RP901", f'the pack "{owner}/{pack}" has no {part}.rules')
        unit = _Unit(
            list(self._parse(texts, unreadable)), manifest, self._parameters(source, use, manifest), f"{pack}/"
        )
        self._refuse_uses(unit)
        return unit

    def _refuse_uses(self, unit: _Unit) -> None:
        for file in unit.files:
            for item in file.items:
                if isinstance(item, syntax.Use):
                    self._error(file.source, item.span, "RP901", "a pack cannot use another pack")

    def _parameters(self, source: Source, use: syntax.Use, manifest: Manifest) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for entry in use.parameters.fields if use.parameters is not None else ():
            key = entry.key
            if not isinstance(key, syntax.Literal) or not isinstance(key.value, str):
                self._error(source, entry.span, "RP306", "parameters have names")
                continue
            if key.value not in manifest.parameters:
                self._error(source, key.span, "RP201", f'"{manifest.name}" has no parameter `{key.value}`',
                            *_did_you_mean(key.value, sorted(manifest.parameters), "{}"))  # fmt: skip
                continue
            try:
                around = Surroundings(None, self.environment, keep=self.secrets.add)
                given[key.value] = evaluate_constant(entry.value, {}, self.vocabulary, {}, around)
            except (CannotCompile, EditRefused) as error:
                self._error(source, entry.value.span, "RP302", str(error))
                continue
            if not _fits(given[key.value], manifest.parameters[key.value].type):
                wanted = manifest.parameters[key.value].type
                self._error(source, entry.value.span, "RP302", f"parameter `{key.value}` takes {_with_article(wanted)}")
        for name, parameter in manifest.parameters.items():
            if name not in given and parameter.required:
                self._error(source, use.pack_span, "RP305", f'"{manifest.name}" needs the parameter `{name}`'
                            + (f": {parameter.description}" if parameter.description else ""),
                            f'use "{use.pack}" with {{ {name} = … }}')  # fmt: skip
            elif parameter.default is not None:
                given.setdefault(name, parameter.default)
        return given

    def _manifest_error(self, folder: Path, message: str) -> None:
        file = folder / MANIFEST
        self._error(Source(shown_path(file), file.read_text("utf-8", "replace")), Span(0, 0), "RP901", message)

    def _error(self, source: Source, span: Span, code: str, message: str, *help_lines: str) -> None:
        self.diagnostics.append(Diagnostic(code, Severity.ERROR, message, Label(source, span), help=help_lines))


def fill_parameters(given: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """The parameters of a pack: those that are given, the defaults of the others. Raises `BadParameters`."""
    for name, value in given.items():
        parameter = manifest.parameters.get(name)
        if parameter is None:
            known = ", ".join(sorted(manifest.parameters)) or "none"
            raise BadParameters(f'"{manifest.name}" has no parameter `{name}` (it has {known})')
        if not _fits(value, parameter.type):
            raise BadParameters(f"parameter `{name}` takes {_with_article(parameter.type)}")
    filled = dict(given)
    for name, parameter in manifest.parameters.items():
        if name not in filled and parameter.required:
            raise BadParameters(f'"{manifest.name}" needs the parameter `{name}`')
        if parameter.default is not None:
            filled.setdefault(name, parameter.default)
    return filled


def _example_parameters(manifest: Manifest) -> dict[str, Any]:
    # Required ones have a value of their type, so that what the files compute from them at load time can be.
    required = {name: _EMPTY[p.type] for name, p in manifest.parameters.items() if p.required}
    return fill_parameters(required, manifest)


_EMPTY: Mapping[str, Any] = MappingProxyType(
    {"string": "", "int": 0, "float": 0.0, "bool": False, "duration": 0.0, "list": [], "object": {}}
)


def _did_you_mean(word: str, names: Sequence[str], pattern: str) -> tuple[str, ...]:
    nearest = find_nearest(word, names)
    return () if nearest is None else (f"did you mean {pattern.format(nearest)}",)


def _with_article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _fits(value: object, wanted: str) -> bool:
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str, Secret),
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "duration": (float, int),
        "list": (list,),
        "object": (dict,),
    }
    return isinstance(value, kinds[wanted]) and isinstance(value, bool) == (wanted == "bool")
