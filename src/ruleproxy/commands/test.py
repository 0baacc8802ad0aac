"""`ruleproxy test`: the tests in rules files, and rules tried on captured traffic."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ruleproxy.commands._where import read_where


@click.command(name="test")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("-k", "text", default="", metavar="TEXT", help="Only tests, or captures, with this in their name.")
@click.option("--captures", type=click.Path(path_type=Path), metavar="PATH", help="Try the rules on these captures: "
              "a folder, a file, a .jsonl, a .tar or .tar.gz.")  # fmt: skip
@click.option("--accept", is_flag=True, help="Write the snapshots, and the outcomes of captures, to compare with.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "junit", "json", "github"]),
    default="text",
    help="How the report is written.",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes for captures (the cores there are).")
@click.option("--upstream", multiple=True, metavar="[NAME=]URL", help="An upstream for captures; the first is theirs.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
def command(
    paths: tuple[Path, ...],
    text: str,
    captures: Path | None,
    accept: bool,
    shape: str,
    jobs: int | None,
    upstream: tuple[str, ...],
    config: Path | None,
) -> None:
    """Run the tests in files and folders of rules (./rules), and in packs; try the rules on captured traffic.

    Nothing is sent anywhere.

    Exit codes: 0 all passed, 1 a test or a rule failed, an outcome is unlike the accepted one, or nothing was
    selected, 2 usage, or something that cannot be read.
    """
    from ruleproxy.commands._testing import Selection, run_all

    where = read_where(paths, upstream, config)
    sys.exit(run_all(where, Selection(captures, text, accept, jobs), shape))
