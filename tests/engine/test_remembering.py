"""A load that remembers the one before gives the same as one that does not, whatever was edited in between."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ruleproxy.engine import compiling
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.loading import Loaded, load_rules
from ruleproxy.engine.remembering import LoadMemory, is_same
from ruleproxy.engine.tracing import render_trace, trace_exchange
from ruleproxy.language import syntax
from ruleproxy.language.checking import remembering as checked_rules
from ruleproxy.language.checking import rules
from ruleproxy.language.checking.scope import Scope
from ruleproxy.language.reporting import render_all
from ruleproxy.messages.secrets import Secret
from ruleproxy.messages.upstreams import Upstream
from support.running import request

UPSTREAMS = (Upstream.from_url("default", "https://upstream.example"),)
ENVIRONMENT = {"TOKEN": "made-up-token"}

REQUESTS = (
    request({"model": "m1", "n": "text", "messages": [{"content": [{"type": "text"}, {"type": "x"}]}]}),
    request({"model": "m2", "n": 1, "tools": [{"name": "a", "description": "d" * 9}]}, headers=[(b"x-team", b"a")]),
    request(None, method="GET", path="/v1/models"),
)


def rule(name: str, condition: str, *statements: str) -> str:
    head = f"when {condition} then" if condition else "then"
    return "\n".join([f'rule "{name}" on request', head, *(f"  {statement}" for statement in statements), "end"])


def naming(name: str, field: str) -> str:
    return rule(name, "request.body.model in names", f'rewrite request.body.{field} = names["m1"]')


BEARER = 'rewrite request.headers["authorization"] = "Bearer " .. secret("TOKEN")'
GET_MODELS = 'request.method == "GET" and request.path == "/v1/models"'
STRIP_THINKING = 'strip block in request.body.messages[*].content where block.type == "thinking"'
TO_UPSTREAM = 'rewrite upstream.url = "https://upstream.example/" .. (request.query.a ?? "")'

LEARNING = """\
rule "learns" on response
when response.status == 400 and not response.streamed then
  strip request.body.n
  learn
  retry
end"""

SLOTS: tuple[tuple[str, ...], ...] = (
    ("", "-- a comment", "\n\n-- two\n-- comments"),
    tuple(
        f"local names = {value}"
        for value in ('{ m1 = "one" }', "{ m1 = 1 }", "{ m1 = true }", 'table("names.json")', "4")
    ),
    ("local most = 4", "local most = 4.0", "local most = 5"),
    (naming("model", "name"), naming("model", "known"), naming("other", "name"), ""),
    (rule("under", "request.body.n == 1", "rewrite request.body.most = most"), ""),
    (rule("fails", "request.body.n ~= nil", "rewrite request.body.x = request.body.n + 1"), ""),
    (rule("token", "", BEARER), ""),
    (
        "",
        *(
            f'use "acme/pack{rest}'
            for rest in ('"', '" with { word = "other" }', '/b" with { word = secret("TOKEN") }')
        ),
    ),
    (rule("stops", 'request.method == "GET"', "stop"), ""),
    (rule("after", GET_MODELS, 'note "got"'), ""),
    ("", rule("takes", "", 'strip request.headers["x-team"]')),
    (
        rule("team", 'request.headers["x-team"] == "a"', "local mine = 1", "inject { mine = mine } into request.body"),
        "",
    ),
    ("", rule("unused", "", "local nothing = 1", "strip request.body.gone")),
    ("", rule("no thinking", "", STRIP_THINKING)),
    ("", rule("here", "", TO_UPSTREAM)),
    ("", LEARNING),
    ("", 'use "acme/pack" with { word = "again" }'),
    ("", 'test "of a rule"\n  given request { body = { model = "m1" } }\n  expect unmatched "stops"\nend'),
)
"""What may stand in a file, in this order: one of each."""

USE, AGAIN = (next(at for at, slot in enumerate(SLOTS) if any(word in last for last in slot))
              for word in ("acme/pack/b", '"again"'))  # fmt: skip

MISTAKES = (
    rule("hides", "", "local first = 1", "local first = 2", "inject { x = first } into request.body"),
    rule("elsewhere", "", 'rewrite upstream.url = "https://other.example/x"'),
    rule("cut short", "", "strip request.body.x").removesuffix("end"),
    rule("unknown", "", "strip request.bdy.x"),
    'use "acme/gone"',
)

TABLES = ('{"m1": "table", "m2": "of two"}', '{"m1": 1, "m2": true}', '{"m1": 1.0, "m2": 1}', '{"m2": ', "[]")

PACK = (
    'rule "first" on request then\n  rewrite request.headers["x-word"] = parameters.word\nend\n',
    "local word = parameters.word\n\n"
    'rule "first" on request then\n  inject { word = text(word) } into request.body\nend\n',
    'local unused = 1\n\nrule "first" on request, shadow then\n  strip request.headers["x-word"]\nend\n',
    'rule "stops" on request\nwhen request.headers["x-team"] == "a" then\n  stop\nend\n',
    'rule "broken" on request then\n  strip request.nothing\nend\n',
    'rule "ends" on request\nwhen request.headers["x-team"] == parameters.word then\n  stop\nend\n',
)

MANIFEST = 'name = "acme/pack"\nversion = "1"\nedition = 1\ndescription = "d"\n\n[parameters.word]\ndefault = "{}"\n'


@dataclass(frozen=True)
class Edit:
    """An edit: one of the things that may stand in a file, in which file; or a table, the pack, its manifest."""

    what: str
    at: int
    variant: int


EDITS = st.builds(
    Edit,
    st.sampled_from(["slot"] * 8 + ["move", "table", "table", "pack", "manifest", "mistake"]),
    st.one_of(st.integers(0, len(SLOTS) - 1), st.sampled_from([1, 2, USE, USE, AGAIN])),
    st.integers(0, 11),
)


class Folder:
    """A folder of rules that is edited."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.chosen = [slot[0] for slot in SLOTS]
        self.elsewhere: set[int] = set()
        self.mistake = ""
        (top / "packs").mkdir()
        (top / "names.json").write_text(TABLES[0])
        (top / "packs" / "a.rules").write_text("edition 1\n\n" + PACK[0])
        (top / "packs" / "b.rules").write_text("edition 1\n\n" + PACK[3])
        (top / "packs" / "pack.toml").write_text(MANIFEST.format("w"))
        self.write()

    def write(self) -> None:
        for file in (0, 1):
            items = [text for at, text in enumerate(self.chosen) if (at in self.elsewhere) == bool(file) and text]
            text = "\n\n".join(["edition 1", *items, self.mistake if file else "", ""])
            (self.top / f"{file}.rules").write_text(text)

    def edit(self, edit: Edit) -> None:
        self.mistake = ""
        match edit.what:
            case "slot":
                self.chosen[edit.at] = SLOTS[edit.at][edit.variant % len(SLOTS[edit.at])]
            case "move" if edit.at > 4:  # what stands above needs the names of its file
                self.elsewhere ^= {edit.at}
            case "table":
                (self.top / "names.json").write_text(TABLES[edit.variant % len(TABLES)])
            case "pack":
                (self.top / "packs" / "a.rules").write_text("edition 1\n\n" + PACK[edit.variant % len(PACK)])
            case "manifest":
                (self.top / "packs" / "pack.toml").write_text(MANIFEST.format("wx"[edit.variant % 2]))
            case "mistake":
                self.mistake = MISTAKES[edit.variant % len(MISTAKES)]
        self.write()

    def load(self, memory: LoadMemory | None) -> Loaded:
        return load_rules([self.top], UPSTREAMS, environment=ENVIRONMENT, memory=memory)


def describe(loaded: Loaded) -> list[str]:
    """Everything that can be told of what came of a load: what is said of it, and what it does to requests."""
    said = [render_all(loaded.diagnostics), repr(loaded.unreadable), repr(loaded.places), str(loaded.files)]
    ruleset = loaded.ruleset
    if ruleset is None:
        return [*said, "broken"]
    said += [ruleset.digest, repr(ruleset.origins), repr(sorted(ruleset.secrets))]
    said += [f"{rule.name} {rule.place} {rule.effects} {rule.required} {rule.shadow}" for rule in ruleset.rules]
    said += [
        f"{test.node.name} {test.source.position(test.node.span.start)} {test.constants}" for test in ruleset.tests
    ]
    for sent in REQUESTS:
        for detailed in (True, False):
            exchange = Exchange(ruleset, sent, UPSTREAMS, detailed=detailed)
            said.append(repr(exchange.begin()[0]))
            if detailed:
                said.append(render_trace(trace_exchange(exchange)))
    return said


@contextmanager
def folder_of_rules() -> Iterator[Folder]:
    top = Path(tempfile.mkdtemp())
    try:
        yield Folder(top)
    finally:
        shutil.rmtree(top)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EDITS, min_size=1, max_size=10))
@example([Edit("slot", USE, 1), Edit("slot", USE, 2)])
@example([Edit("slot", 1, 4)])
@example([Edit("pack", 0, 5), Edit("slot", AGAIN, 1), Edit("slot", USE, 2)])
def test_as_if_nothing_were_remembered(edits: list[Edit]) -> None:
    """After each of some edits: the same findings in the same words and places, and the same rules doing the same."""
    memory = LoadMemory()
    with folder_of_rules() as folder:
        assert describe(folder.load(memory)) == describe(folder.load(None))
        for edit in edits:
            folder.edit(edit)
            warm = describe(folder.load(memory))
            assert warm == describe(folder.load(None))
            assert describe(folder.load(memory)) == warm


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is checked and what is compiled, as it happens."""
    done: list[str] = []
    check_rule, compile_rule = rules.check_rule, compiling.RuleCompiler.compile

    def check(scope: Scope, rule: syntax.Rule) -> None:
        done.append(f"check {rule.name}")
        check_rule(scope, rule)

    def compile_named(self: compiling.RuleCompiler, node: syntax.Rule, name: str) -> compiling.CompiledRule:
        done.append(f"compile {name}")
        return compile_rule(self, node, name)

    with monkeypatch.context() as patch:
        patch.setattr(checked_rules, "check_rule", check)
        patch.setattr(compiling.RuleCompiler, "compile", compile_named)
        yield done


def test_only_what_changed_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that stands elsewhere is neither checked nor compiled again; another text is, and what reads secrets."""
    memory = LoadMemory()
    with folder_of_rules() as folder, counting(monkeypatch) as done:
        before = folder.load(memory)
        assert before.ruleset is not None
        assert len(done) == 2 * len(before.ruleset)
        done.clear()
        folder.edit(Edit("slot", 0, 2))
        folder.edit(Edit("slot", 10, 1))
        after = folder.load(memory)
        assert after.ruleset is not None
        assert after.ruleset.digest != before.ruleset.digest
        assert sorted(done) == ["check takes", "compile takes", "compile token"]
        assert after.ruleset.rules[0].position.line == before.ruleset.rules[0].position.line + 5
        done.clear()
        folder.edit(Edit("slot", 2, 2))
        assert folder.load(memory).ruleset is not None
        assert [last for last in done if last.startswith("compile")] == ["compile under", "compile token"]


def test_a_rule_that_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled anew, for what it teaches says on which line it was written."""
    memory = LoadMemory()
    with folder_of_rules() as folder, counting(monkeypatch) as done:
        folder.edit(Edit("slot", SLOTS.index(("", LEARNING)), 1))
        assert folder.load(memory).ruleset is not None
        done.clear()
        folder.edit(Edit("slot", 0, 2))
        assert folder.load(memory).ruleset is not None
        assert sorted(done) == ["compile learns", "compile token"]


def test_a_table_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that read another table are compiled again, although no text of any rule is another."""
    memory = LoadMemory()
    with folder_of_rules() as folder, counting(monkeypatch) as done:
        folder.edit(Edit("slot", 1, 3))
        assert folder.load(memory).ruleset is not None
        done.clear()
        folder.edit(Edit("table", 0, 2))
        assert folder.load(memory).ruleset is not None
        assert done == ["compile model", "compile token"]
        done.clear()
        assert folder.load(memory).ruleset is not None
        assert done == ["compile token"]


def test_a_pack_by_itself() -> None:
    """What its rules read of its parameters counts as read, also where no rule is checked again."""
    memory = LoadMemory()
    with folder_of_rules() as folder:
        pack = folder.top / "packs"
        first = load_rules([pack], None, memory=memory)
        assert first.ruleset is not None
        assert first.diagnostics == []
        assert describe(load_rules([pack], None, memory=memory)) == describe(first)


def test_a_broken_edit_forgets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled stays known while the files are wrong: the edit that puts them right is in force soon."""
    memory = LoadMemory()
    with folder_of_rules() as folder, counting(monkeypatch) as done:
        assert folder.load(memory).ruleset is not None
        folder.edit(Edit("mistake", 0, 3))
        assert folder.load(memory).ruleset is None
        assert folder.load(memory).ruleset is None
        done.clear()
        folder.edit(Edit("slot", 0, 1))
        assert folder.load(memory).ruleset is not None
    assert done == ["compile token"]


def test_nothing_is_remembered_for_ever() -> None:
    """What the last two loads did not need is forgotten, so that a server may be edited for months."""
    memory = LoadMemory()
    sizes = []
    with folder_of_rules() as folder:
        for number in range(20):
            folder.chosen[0] = f'rule "a" on request then\n  strip request.body.x{number}\nend'
            folder.write()
            assert folder.load(memory).ruleset is not None
            sizes.append(len(memory))
    assert sizes[-1] == sizes[1]


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, 1.0), (1, True), (0.0, -0.0), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([1], [True]), (None, False), ("1", 1)],
)
def test_values_that_are_others(left: object, right: object) -> None:
    """Python calls some of these equal; in a body they are not the same."""
    assert is_same(left, left)
    assert not is_same(left, right)


def test_secrets_are_never_the_same() -> None:
    """So that what was made of one is made again: there may be another behind the name."""
    assert not is_same(Secret.of("A", "x"), Secret.of("A", "x"))
