"""The examples of the language load: read, checked and compiled, with the words that this version has."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ruleproxy.engine.loading import load_rules
from ruleproxy.language.reporting import render_all
from support.running import declared

LANGUAGE = Path(__file__).parent.parent / "language"
TABLES = Path(__file__).parent.parent / "exchanges" / "quirks"
GUARDED = {path.stem for path in (LANGUAGE / "checked").glob("*.rules")}
FILES = [
    *(LANGUAGE / "checked").glob("*.rules"),
    *(path for path in (LANGUAGE / "examples").glob("*.rules") if path.stem not in GUARDED | {"forms"}),
]
UPSTREAMS = declared("https://apim.corp.example", "https://bedrock-runtime.eu-west-1.amazonaws.com")


@pytest.mark.parametrize("file", sorted(FILES), ids=lambda file: file.stem)
def test_an_example_loads(tmp_path: Path, file: Path) -> None:
    """Its rules are all there, in order; a pack of others that it uses is left out."""
    text = re.sub(r"(?m)^use .*$", "", file.read_text(encoding="utf-8"))
    (tmp_path / file.name).write_text(text, encoding="utf-8")
    for table in TABLES.glob("*/*.json"):
        shutil.copy(table, tmp_path)
    loaded = load_rules([tmp_path], UPSTREAMS)
    assert loaded.ruleset is not None, render_all(loaded.diagnostics)
    assert [rule.name for rule in loaded.ruleset.rules] == re.findall(r'(?m)^rule "([^"]+)"', text)


def test_locals_that_name_others_twice_are_looked_at_once(tmp_path: Path) -> None:
    """Forty of them stand for more text than there is room for, in a rule and at the level of the file."""
    doubled = [f"local t{number} = t{number - 1} .. t{number - 1}" for number in range(1, 40)]
    lines = [
        'rule "a" on request then',
        'local t0 = request.body.s ?? ""',
        *doubled,
        "rewrite request.body.y = t39",
        "end",
    ]
    (tmp_path / "a.rules").write_text("\n".join(["edition 1", *lines, ""]))
    assert load_rules([tmp_path / "a.rules"], UPSTREAMS).ruleset is not None
    lines = ['local t0 = "a"', *doubled, 'rule "a" on request then', "rewrite request.body.y = t39", "end"]
    (tmp_path / "b.rules").write_text("\n".join(["edition 1", *lines, ""]))
    told = load_rules([tmp_path / "b.rules"], UPSTREAMS).diagnostics
    assert any("would make a text of more than 67108864 characters" in each.message for each in told)


def test_a_list_of_very_many_texts_is_checked(tmp_path: Path) -> None:
    """A file as large as one may be, full of names."""
    names = ", ".join(f'"{number}"' for number in range(60_000))
    text = f'edition 1\n\nrule "a" on request\nwhen request.body.model in {{ {names} }} then\n  note "known"\nend\n'
    (tmp_path / "a.rules").write_text(text)
    assert load_rules([tmp_path / "a.rules"], UPSTREAMS).ruleset is not None
