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
