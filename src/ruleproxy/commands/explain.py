"""`ruleproxy explain`: what rules do with a recorded exchange, or what a code, a verb or a function means."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruleproxy.commands._loading import load_or_stop
from ruleproxy.commands._where import Where, read_where, stop
from ruleproxy.language.counts import count

if TYPE_CHECKING:
    from ruleproxy.captures.capture import Capture
    from ruleproxy.engine.trace import Trace

CODE = re.compile(r"RP\d+", re.IGNORECASE)
WIDEST = 100


@click.command(name="explain", short_help="Show what rules do with a capture, or what a code means.")
@click.argument("subject", metavar="CAPTURE|CODE|VERB|FUNCTION")
@click.option("--rules", multiple=True, metavar="DIR", type=click.Path(path_type=Path), help="Rules (./rules).")
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", help="How a trace is written.")
@click.option("--upstream", multiple=True, metavar="[NAME=]URL", help="An upstream; the first is the capture's.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings (ruleproxy.toml, if there is one).")
def command(subject: str, rules: tuple[Path, ...], shape: str, upstream: tuple[str, ...], config: Path | None) -> None:
    """Show what each rule does with a recorded exchange, and why: `ruleproxy explain captures/one.json`.

    Nothing is sent. Or say what a code means (`ruleproxy explain RP305`), a verb does or a function gives.

    Exit codes: 0 explained, 1 something is wrong with the rules, 2 usage, or what cannot be read.
    """
    if not Path(subject).exists() and (prose := find_prose(subject)) is not None:
        click.echo(json.dumps({"name": subject, "text": prose}) if shape == "json" else prose, nl=shape == "json")
        return
    capture = read(Path(subject))
    where = read_where(rules, upstream, config)
    trace = run(capture, where)
    if shape == "json":
        from ruleproxy.engine.trace import to_dict

        click.echo(json.dumps(to_dict(trace), indent=2, ensure_ascii=False))
    else:
        from ruleproxy.engine.trace_text import render_trace

        click.echo(render_trace(trace), nl=False)


def find_prose(name: str) -> str | None:
    """What there is to say of a code, a verb or a function; None for what is none. Ends the program for a bad code."""
    width = min(WIDEST, shutil.get_terminal_size().columns)
    if CODE.fullmatch(name):
        from ruleproxy.language.pages import find_page, render_page

        page = find_page(name)
        if page is None:
            stop(2, f"there is no code {name.upper()}: docs/codes.md has them all")
        return render_page(page, width)
    from ruleproxy.engine.vocabulary import load_vocabulary
    from ruleproxy.language.describing import describe_function, describe_verb, to_terminal

    vocabulary = load_vocabulary()
    found = []
    if name in vocabulary.verbs:
        found.append(f"verb {name}\n\n{to_terminal(describe_verb(vocabulary.verbs[name]), width)}")
    if name in vocabulary.functions:
        found.append(f"function {name}\n\n{to_terminal(describe_function(vocabulary.functions[name]), width)}")
    return "\n".join(found) or None


def read(file: Path) -> Capture:
    """The capture in a file; ends the program with 2 where there is none."""
    from ruleproxy.captures.reading import BadCapture, read_capture

    if not file.exists():
        stop(2, f"{file}: no such file, and no code, verb or function{suggest(str(file))}")
    if file.suffix == ".rules":
        stop(2, f"{file}: rules, and no capture: `ruleproxy effects {file}` says what they do")
    if file.is_dir():
        stop(2, f"{file}: a folder: name one capture (`ruleproxy test --captures {file}` tries them all)")
    try:
        capture = read_capture(file)
    except BadCapture as problem:
        stop(2, str(problem))
    for part, message in (("request", capture.request), ("answer", capture.response)):
        if message is None:
            continue
        if message.withheld:
            click.echo(f"ruleproxy: {file}: no body of the {part} was recorded: {message.withheld}", err=True)
        elif message.truncated:
            left_out = count(message.truncated, "byte")
            click.echo(f"ruleproxy: {file}: the record of the {part} leaves out {left_out}", err=True)
    return capture


def suggest(name: str) -> str:
    """`; did you mean …?`, or nothing."""
    from ruleproxy.engine.vocabulary import load_vocabulary
    from ruleproxy.language.suggestions import find_nearest

    vocabulary = load_vocabulary()
    nearest = find_nearest(name, sorted({*vocabulary.verbs, *vocabulary.functions}))
    return "" if nearest is None else f"; did you mean {nearest}?"


def run(capture: Capture, where: Where) -> Trace:
    """What the rules do with a capture; ends the program where that cannot be told."""
    from ruleproxy.rehearsal.rehearsing import trace_capture

    ruleset = load_or_stop(where.paths, "nothing was explained")
    return trace_capture(capture, ruleset, where.upstreams)
