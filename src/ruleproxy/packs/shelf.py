"""The packs that rules may use: looked for once, each read once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from ruleproxy.packs.folders import MANIFEST, RulesText, Unreadable, read_file, read_rules, shown_path, walk_folders
from ruleproxy.packs.lock import check_lock
from ruleproxy.packs.manifest import BadManifest, BadPack, Manifest, parse_manifest

BESIDE: Final = 3
"""Levels below the folder of a single file that are looked through: it may be a home with all that is in it.

It may as well be `/tmp`: a pack there counts only if it belongs to whom the file belongs to, or to the superuser.
"""


@dataclass(frozen=True, slots=True)
class OpenedPack:
    """A pack as it was read: its manifest and the bytes of that, its rules files, and what could not be read."""

    manifest: Manifest
    manifest_data: bytes
    texts: list[RulesText]
    unreadable: list[Unreadable]


class Shelf:
    """The packs in the named folders, beside the named files, and those that are shipped; the first of a name counts.

    Hidden folders are passed over, links followed.
    """

    def __init__(self, paths: Sequence[Path], shipped: Path) -> None:
        self._shipped = shipped
        self._folders = {path: BESIDE if not path.is_dir() else None for path in paths}
        self._opened: dict[Path, OpenedPack | BadPack] = {}

    @property
    def described(self) -> str:
        """Where packs are looked for."""
        own = [f"{shown_path(path)}/" if depth is None else f"the folder of {shown_path(path)}"
               for path, depth in self._folders.items()]  # fmt: skip
        return " and ".join([*([", ".join(own)] if own else []), "the shipped packs"])

    @property
    def names(self) -> list[str]:
        """The names of all packs that are here."""
        return sorted(self._found)

    def find(self, name: str) -> Path | None:
        """The folder of the pack `owner/pack`."""
        return self._found.get(name)

    def open(self, folder: Path) -> OpenedPack:
        """The pack in a folder. Raises `BadPack`."""
        if folder not in self._opened:
            try:
                self._opened[folder] = _open(folder, self._shipped)
            except BadPack as error:
                self._opened[folder] = error
        opened = self._opened[folder]
        if isinstance(opened, BadPack):
            raise opened
        return opened

    @cached_property
    def _found(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path, depth in (*self._folders.items(), (self._shipped, None)):
            owners = None if depth is None else {0, *_find_owner(path)}
            for name, folder in _find_packs(path if depth is None else path.parent, depth):
                if owners is None or not owners.isdisjoint(_find_owner(folder)):
                    found.setdefault(name, folder)
        return found


def _find_owner(path: Path) -> list[int]:
    try:
        return [path.stat().st_uid]
    except OSError:
        return []  # gone


def _find_packs(top: Path, depth: int | None) -> Iterator[tuple[str, Path]]:
    for folder, names in walk_folders(top, depth):
        if MANIFEST not in names:
            continue
        try:
            name = tomllib.loads(read_file(Path(folder, MANIFEST)).decode("utf-8")).get("name")
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            continue  # named when the pack itself is asked for
        if isinstance(name, str):
            yield name, Path(folder)


def _open(folder: Path, shipped: Path) -> OpenedPack:
    file = folder / MANIFEST
    try:
        data = read_file(file)
    except OSError as error:
        raise BadManifest(f"{file}: {(error.strerror or str(error)).lower()}") from None
    manifest = parse_manifest(folder, data)
    texts, unreadable = read_rules(folder)
    if not unreadable:
        check_lock(folder, {MANIFEST: data} | {text.relative: text.data for text in texts})
    if folder.is_relative_to(shipped):  # where they lie on this machine tells nobody anything
        texts = [replace(text, shown=f"{manifest.name}/{text.relative}") for text in texts]
    return OpenedPack(manifest, data, texts, unreadable)
