"""What a pack says of itself, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruleproxy.packs.manifest import BadManifest, Manifest, parse_manifest
from ruleproxy.resources import packs_folder

GOOD = 'name = "acme/quirks"\nversion = "1.0"\nedition = 1\ndescription = "d"\n'


def read_manifest(folder: Path) -> Manifest:
    return parse_manifest(folder, (folder / "pack.toml").read_bytes())


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pack.toml").write_text(text)
    return folder


def test_parameters(tmp_path: Path) -> None:
    """Without a default they are required, unless they are said to be optional."""
    text = GOOD + (
        '[parameters.url]\ntype = "string"\ndescription = "where"\n'
        '[parameters.marks]\ntype = "int"\ndefault = 4\n'
        '[parameters.every]\ntype = "duration"\noptional = true\n'
    )
    manifest = read_manifest(write(tmp_path, text))
    assert manifest.name == "acme/quirks"
    found = {name: (each.type, each.required, each.default) for name, each in manifest.parameters.items()}
    assert found == {
        "url": ("string", True, None),
        "marks": ("int", False, 4),
        "every": ("duration", False, None),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "not TOML"),
        (GOOD.replace('name = "acme/quirks"', ""), "`name` is missing"),
        (GOOD.replace("edition = 1", 'edition = "1"'), "`edition` has to be a whole number"),
        (
            GOOD.replace("edition = 1", "edition = 2"),
            "edition 2 is not known here (known: 1); a newer ruleproxy may know it",
        ),
        (GOOD.replace("acme/quirks", "quirks"), "`name` has to read owner/pack"),
        (GOOD + "licence = 1\n", "unknown field `licence`"),
        (GOOD + "parameters = 1\n", "`parameters` has to be a table"),
        (GOOD + '[parameters.a]\ntype = "text"\n', "parameters.a.type is one of string, int"),
        (GOOD + '[parameters.a]\nkind = "string"\n', "parameters.a has type, default"),
    ],
)
def test_what_is_wrong_with_one(tmp_path: Path, text: str, said: str) -> None:
    """The file and the field are named."""
    with pytest.raises(BadManifest, match=r"pack\.toml") as raised:
        read_manifest(write(tmp_path, text))
    assert said in str(raised.value)


def test_every_shipped_pack_has_a_manifest() -> None:
    """Whose name says which folder it is."""
    shipped = [file.parent for file in packs_folder().glob("*/pack.toml")]
    assert shipped
    for folder in shipped:
        manifest = read_manifest(folder)
        assert manifest.name == f"ruleproxy/{folder.name}"
        assert all(parameter.description for parameter in manifest.parameters.values())
