"""`ruleproxy test`: the tests in rules files, and rules tried on captured traffic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._where import read_where, stop

if TYPE_CHECKING:
    from ruleproxy.rehearsal.shards import Shard


def _read_shard(context: click.Context, parameter: click.Parameter, value: str | None) -> Shard | None:
    from ruleproxy.rehearsal.shards import Shard

    try:
        return None if value is None else Shard.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.command(name="test", short_help="Run the tests of rules, and try rules on captures.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("-k", "text", default="", metavar="TEXT", help="Only tests, or captures, with this in their name.")
@click.option("--captures", type=click.Path(path_type=Path), metavar="PATH", help="Try the rules on these captures: "
              "a folder, a file, a .jsonl, a .tar or .tar.gz.")  # fmt: skip
@click.option("--accept", is_flag=True, help="Write the snapshots, and the outcomes of captures, to compare with.")
@click.option("--watch", is_flag=True, help="Run again whenever rules, tests or captures change, until Ctrl-C.")
@click.option("--coverage", is_flag=True, help="Show what each rule came to, and which legs of conditions were seen.")
@click.option("--fail-under", type=click.FloatRange(0, 100), metavar="N", help="Fail where less than N % is covered.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["text", "junit", "json", "github"]),
    default="text",
    help="How the report is written.",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON here, too.")
@click.option("--shard", metavar="K/N", callback=_read_shard, help="Only the Kth of N parts of the tests and captures.")
@click.option("--merge", multiple=True, metavar="FILE", type=click.Path(path_type=Path), help="Run nothing: join the "
              "reports of all shards (repeatable; more may follow as PATHs).")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes for captures (the cores there are).")
@click.option("--upstream", multiple=True, metavar="[NAME=]URL", help="An upstream for captures; the first is theirs.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
def command(
    paths: tuple[Path, ...],
    text: str,
    captures: Path | None,
    accept: bool,
    watch: bool,
    coverage: bool,
    fail_under: float | None,
    shape: str,
    report: Path | None,
    shard: Shard | None,
    merge: tuple[Path, ...],
    jobs: int | None,
    upstream: tuple[str, ...],
    config: Path | None,
) -> None:
    """Run the tests in files and folders of rules (./rules), and in packs; try the rules on captured traffic.

    Nothing is sent anywhere.

    Exit codes: 0 all passed, 1 a test or a rule failed, an outcome is unlike the accepted one, too little is covered,
    or nothing was selected, 2 usage, or something that cannot be read.
    """
    from ruleproxy.commands._testing import Output, Selection, merge_all, run_all, watch_all

    if fail_under is not None and not coverage and not merge:
        stop(2, "--fail-under goes with --coverage")
    output = Output(shape, report, fail_under)
    if merge:
        if captures is not None or shard is not None or accept or watch or text:
            stop(2, "--merge runs nothing: it goes with reports, --format, --report and --fail-under")
        sys.exit(merge_all((*merge, *paths), output))
    if watch and (accept or shard is not None or report is not None or shape != "text"):
        stop(2, "--watch shows text, and writes nothing")
    where = read_where(paths, upstream, config)
    selection = Selection(captures, text, accept, jobs, shard, coverage)
    try:
        if watch:
            watch_all(where, selection, output)
            return
        sys.exit(run_all(where, selection, output))
    except KeyboardInterrupt:
        sys.exit(130)
