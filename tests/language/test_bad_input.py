"""Files that are no rules, and rules with a slip in them: always a report with a place, never a traceback."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from ruleproxy.engine.vocabulary import check_literal
from ruleproxy.language.checking import check_files
from ruleproxy.language.diagnostics import Diagnostic, Severity
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_text
from ruleproxy.language.reporting import render, render_all, sort_diagnostics
from support.golden import run_ruleproxy
from support.vocabulary import design_vocabulary

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
GOOD = [
    path.read_text(encoding="utf-8")
    for path in [*sorted((HERE / "examples").glob("*.rules")), *sorted((HERE / "checked").glob("*.rules"))]
    if path.stem not in {"forms", "model-list", "model-names", "tool-names"} or path.parent.name == "checked"
]
MUTATIONS = 100
WORD = re.compile(r"[A-Za-z_]{4,}|~=|==|\?\?|[(){}\[\]=,.]")
SWAPPED = {"~=": "!=", "==": "=", "??": "?", "(": "", ")": "", "{": "", "}": "", "=": "==", ",": ";", "[": "", "]": ""}


def mutate(chance: random.Random) -> tuple[str, int] | None:
    """A good file with one slip of the pen in one line of a rule, and the number of that line."""
    lines = chance.choice(GOOD).splitlines()
    at = chance.randrange(len(lines))
    code = lines[at].split("--")[0]
    words = [match for match in WORD.finditer(code) if code.count('"', 0, match.start()) % 2 == 0]
    if not words or "[[" in code or code.lstrip().startswith(("given", "expect", "test", "edition", "use")):
        return None
    word = chance.choice(words)
    text = word[0]
    wrong = SWAPPED.get(text, "") if not text[0].isalpha() else misspell(text, chance)
    lines[at] = f"{code[: word.start()]}{wrong}{code[word.end() :]}"
    return "\n".join(lines) + "\n", at + 1


def misspell(word: str, chance: random.Random) -> str:
    """A word with two letters swapped, one left out, or nothing left of it."""
    at = chance.randrange(len(word) - 1)
    return chance.choice([word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at + 1 :], ""])


def find_all(text: str) -> list[Diagnostic]:
    """Everything that counts in a file, in the order in which it is shown."""
    tree, problems = parse(source_from_text("a.rules", text))
    found = check_files(
        [tree], design_vocabulary(), upstreams=None, declared_parameters=None, check_literal=check_literal
    )
    return sort_diagnostics(last for last in problems + found if last.severity is not Severity.NOTE)


def lines_of(finding: Diagnostic) -> set[int]:
    """The lines that a finding points at."""
    labels = [finding.primary] if finding.secondary is None else [finding.primary, finding.secondary]
    return {label.source.position(label.span.start).line for label in labels}


def test_slips_are_reported_where_they_are() -> None:
    """A hundred slips in good files: no traceback, and most reports begin with the line of the slip."""
    chance = random.Random(20260101)
    reported = true = tried = 0
    astray: list[str] = []
    while tried < MUTATIONS:
        mutated = mutate(chance)
        if mutated is None:
            continue
        text, line = mutated
        found = find_all(text)
        tried += 1
        assert all(render(finding) for finding in found)
        if found:
            reported += 1
            if line in lines_of(found[0]):
                true += 1
            else:
                astray.append(f"line {line}: {text.splitlines()[line - 1]}\n{render_all(found[:1])}")
    share = true / reported
    assert reported >= MUTATIONS // 2
    assert share >= 0.8, f"{true} of {reported} reports name the true line\n\n" + "\n".join(astray)
    print(f"{tried} slips, {reported} reported, {share:.0%} of the reports at the true line")  # noqa: T201
