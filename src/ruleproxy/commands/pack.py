"""`ruleproxy pack`: what those who write packs do with them."""

from __future__ import annotations

from pathlib import Path

import click

from ruleproxy.commands._where import stop
from ruleproxy.language.counts import count


@click.group(name="pack")
def command() -> None:
    """Work on packs."""


@command.command(name="lock")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def lock(folder: Path) -> None:
    """Write the SHA-256 of every file of the pack in DIR into its pack.lock.

    From then on the pack is used only with these very files. `sha256sum --check pack.lock` reads the file as well.

    Exit codes: 0 written, 2 there is no pack that can be used, or it cannot be written.
    """
    from ruleproxy.packs.folders import MANIFEST, read_file
    from ruleproxy.packs.lock import LOCK, hash_files, write_lock
    from ruleproxy.packs.manifest import BadPack, parse_manifest

    try:
        data = read_file(folder / MANIFEST)
        manifest = parse_manifest(folder, data)
        hashes = hash_files(folder, {MANIFEST: data})
        (folder / LOCK).write_bytes(write_lock(hashes).encode(errors="surrogateescape"))
    except BadPack as error:
        stop(2, str(error))
    except OSError as error:
        stop(2, f"{error.filename or folder}: {(error.strerror or str(error)).lower()}")
    click.echo(f"{folder / LOCK}: {manifest.name} {manifest.version}, {count(len(hashes), 'file')}")
