"""Any text and any rules, in numbers: `make fuzz` runs parser, checker and formatter over as many inputs as it is told.

What has to hold of every input: a diagnostic has a place in the text, every finding can be shown, and what can be
formatted says the same afterwards, and stays as it is when it is formatted again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language.checking import check_files
from ruleproxy.language.formatting import format_file
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_bytes, source_from_text
from ruleproxy.language.reporting import render
from ruleproxy.language.source import Source
from support.generated_rules import FILES

VOCABULARY = load_vocabulary()

KINDS: Mapping[str, st.SearchStrategy[str | bytes]] = {
    "text": st.text(max_size=400),
    "bytes": st.binary(max_size=400),
    "rules": FILES,
    "rules with text in them": st.builds(
        lambda rules, text, at: rules[: at % (len(rules) + 1)] + text + rules[at % (len(rules) + 1) :],
        FILES,
        st.text(max_size=8),
        st.integers(0, 10_000),
    ),
}
"""What is made by chance."""


def try_input(made: str | bytes) -> None:
    """Parse, check, show and format an input; raises where something does not hold."""
    source = source_from_bytes("any.rules", made) if isinstance(made, bytes) else source_from_text("any.rules", made)
    if not isinstance(source, Source):
        assert render(source)
        return
    tree, problems = parse(source)
    findings = check_files([tree], VOCABULARY, upstreams={}, declared_parameters={}, check_literal=check_literal)
    for finding in [*problems, *findings]:
        assert 0 <= finding.primary.span.start <= finding.primary.span.end <= len(source.text)
        assert render(finding)
    if not problems:
        formatted = format_file(tree)
        again, left = parse(source_from_text("any.rules", formatted))
        assert left == []
        assert format_file(again) == formatted


def make_trial(kind: str, count: int) -> Callable[[], None]:
    """So many inputs of one kind."""

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(KINDS[kind])
    def trial(made: str | bytes) -> None:
        try_input(made)

    return trial


def main() -> None:
    """Run so many inputs of each kind (the first argument, 2 500 without one) and say how many there were."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_500
    begun = time.monotonic()
    for kind in KINDS:
        make_trial(kind, count)()
        print(f"{kind}: {count} inputs, nothing found")  # noqa: T201 (a command)
    print(f"{count * len(KINDS)} inputs in {time.monotonic() - begun:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
