"""Files that are no rules, and rules with a slip in them: always a report with a place, never a traceback."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language.checking import check_files
from ruleproxy.language.diagnostics import Diagnostic, Severity
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_text
from ruleproxy.language.reporting import render, render_all, sort_diagnostics
from support.golden import run_ruleproxy
from support.mutations import MUTATIONS

MILLION = 1_000_000
RULE = b'rule "a" on request then\n  note "%s"\nend\n'

BAD = {
    "one-string": (b'local a = "%s"\nb' % (b"a" * MILLION), "RP101", 2),
    "only-letters": (b"a\n" * (MILLION // 2), "RP101", 1),
    "only-opened": (b"(" * MILLION, "RP104", 1),
    "only-quotes": (b'"' * (MILLION + 1), "RP101", 1),
    "long-brackets": (b"[" + b"=" * MILLION, "RP101", 1),
    "parentheses": (b'rule "a" on request\nwhen %sx%s then stop end' % (b"(" * 1000, b")" * 1000), "RP104", 2),
    "parentheses-open": (b'rule "a" on request\nwhen ' + b"(" * 1000, "RP104", 2),
    "tables": (b"local a = " + b"{" * 1000 + b"}" * 1000, "RP104", 1),
    "a-path": (b"local a =\n parameters" + b".a" * 100_000, "RP104", 2),
    "branches": (
        b'rule "a" on request then\nif request.wants_stream then stop\n'
        + b"elseif request.wants_stream then stop\n" * 2000
        + b"end end",
        "RP104",
        2,
    ),
    "nul": (RULE % b"\0", "RP104", 2),
    "line-ends": (b'rule "a" on request then\r\n  note "a"\r  note 1 2\nend\r\n', "RP101", 3),
    "byte-order-mark": (b"\xef\xbb\xbf" + RULE.replace(b"note", b"noet") % b"a", "RP201", 2),
    "mark-inside": (b'rule "a" on request then\n  \xef\xbb\xbfnote "a"\nend\n', "RP101", 2),
    "utf-16": ('rule "a" on request then\n'.encode("utf-16"), "RP104", 1),
    "not-utf-8": (RULE % b"caf\xe9", "RP104", 2),
    "endless-string": (b'rule "a" on request then\n  note "abc\nend\n', "RP101", 2),
    "endless-long-string": (b'rule "a" on request then\n  note [[abc\nend\n' + b"x\n" * 1000, "RP101", 2),
    "endless-comment": (b"--[[ abc\n" + RULE % b"a", "RP101", 1),
    "controls": (bytes(range(1, 32)) * 10, "RP101", 1),
    "three-megabytes": (b"-" * 3 * MILLION, "RP104", 1),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_files(name: str, tmp_path: Path) -> None:
    """`ruleproxy check` says what is wrong with a file and where, and shows no control characters of it."""
    content, code, line = BAD[name]
    (tmp_path / "a.rules").write_bytes(content)
    done = run_ruleproxy(tmp_path, "check", "a.rules")
    assert done.stderr == ""
    assert done.returncode == 1
    assert f"[{code}]" in done.stdout
    assert re.search(rf"^ *--> a\.rules:{line}:\d+$", done.stdout, re.MULTILINE), done.stdout[:1000]
    assert all(character.isprintable() or character == "\n" for character in done.stdout)


def test_a_million_characters_of_rules(tmp_path: Path) -> None:
    """A large file of rules is checked like any other: what is wrong at its end is found there."""
    rules = [f'rule "{at}" on request when request.path == "/{at}" then stop end\n' for at in range(8000)]
    text = "".join([*rules, 'rule "last" on request then\n  strip request.bdoy\nend\n'])
    (tmp_path / "a.rules").write_text(text.ljust(MILLION - 1) + "\n")
    done = run_ruleproxy(tmp_path, "check", "a.rules")
    assert done.stdout.endswith("1 error in 1 file\n")
    assert "a.rules:8002:" in done.stdout


def test_a_loop_of_links(tmp_path: Path) -> None:
    """A link to itself is no file: it is named, and the others are checked."""
    (tmp_path / "loop.rules").symlink_to("loop.rules")
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "fine.rules").write_bytes(RULE % b"a")
    done = run_ruleproxy(tmp_path, "check", ".")
    assert done.returncode == 2
    assert done.stderr == "ruleproxy: loop.rules: too many levels of symbolic links\n"
    assert "1 file" in done.stdout


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """What is no file, or is not there, is named with its reason."""
    (tmp_path / "folder.rules").mkdir()
    (tmp_path / "dangling.rules").symlink_to("nowhere")
    done = run_ruleproxy(tmp_path, "check", ".", "missing.rules")
    assert done.returncode == 2
    assert "ruleproxy: dangling.rules: no such file or directory\n" in done.stderr
    assert "ruleproxy: missing.rules: no such file or directory\n" in done.stderr


HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "language.md"
GOOD = [
    path.read_text(encoding="utf-8")
    for path in [*sorted((HERE / "examples").glob("*.rules")), *sorted((HERE / "checked").glob("*.rules"))]
    if path.stem not in {"forms", "model-list", "model-names", "tool-names"} or path.parent.name == "checked"
] + re.findall(r"^```lua\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
TRIES = 40
"""Slips of each kind."""


def find_all(text: str) -> list[Diagnostic]:
    """Everything that counts in a file, in the order in which it is shown."""
    tree, problems = parse(source_from_text("a.rules", text))
    found = check_files(
        [tree], load_vocabulary(), upstreams=None, declared_parameters=None, check_literal=check_literal
    )
    return sort_diagnostics(last for last in problems + found if last.severity is not Severity.NOTE)


def lines_of(finding: Diagnostic) -> set[int]:
    """The lines that a finding points at."""
    labels = [finding.primary] if finding.secondary is None else [finding.primary, finding.secondary]
    return {label.source.position(label.span.start).line for label in labels}


def slip(kind: str, chance: random.Random) -> tuple[str, int]:
    """A good file with one slip, and the number of its line."""
    while True:
        lines = chance.choice(GOOD).splitlines()
        line = MUTATIONS[kind](lines, chance)
        if line is not None:
            return "\n".join([*lines, ""]), line


@pytest.mark.parametrize("kind", MUTATIONS)
def test_slips_are_reported_where_they_are(kind: str) -> None:
    """Forty slips of each kind in good files: no traceback, and most reports begin with the line of the slip."""
    chance = random.Random(kind)
    reported = 0
    astray: list[str] = []
    for _ in range(TRIES):
        text, line = slip(kind, chance)
        found = find_all(text)
        assert all(render(finding) for finding in found)
        reported += bool(found)
        true = {line, line + 1} if kind == "a line doubled" else {line}
        if found and true.isdisjoint(lines_of(found[0])):
            astray.append(f"line {line}: {text.splitlines()[line - 1]}\n{render_all(found[:1])}")
    share = 1 - len(astray) / reported
    assert reported >= TRIES // 2
    assert share >= 0.85, f"{share:.0%} of {reported} reports name the true line\n\n" + "\n".join(astray)
