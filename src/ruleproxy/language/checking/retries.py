"""Retries that come too late, as far as the rules of several sides tell (RP430).

Events reach the client as they come: `retry` among them is said where the statement is checked. Here is what takes two
rules to see: a faked stream whose pings begin the answer, and a failure that only the beginning of a stream can have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import bare, literal_string
from ruleproxy.language.checking.sequence import Part, PlacedRule, find_actions, is_wider
from ruleproxy.language.diagnostics import Severity

LONGEST_PING = 60
"""Seconds: an upstream is given far longer before it counts as silent, unless a rule says otherwise."""

SLOW = frozenset({"timeout"})
"""Failures that come after a long silence."""

TORN = frozenset({"truncated", "reset"})
"""Failures that a stream may have after it began, where no rule is asked any more."""


def check_retries(rules: Sequence[PlacedRule]) -> None:
    """Report failure rules that retry where the answer has begun."""
    fakes = [(rule, fake) for rule in rules if rule.side == "request" and rule.applies for fake in find_fakes(rule)]
    timed = any(write.place == ("upstream", "timeout") for rule in rules for write in rule.writes)
    for rule in rules:
        if rule.side != "failure" or not rule.applies:
            continue
        retry = next((action for action in find_actions(rule.rule) if action.verb == "retry"), None)
        kinds = find_kinds(rule)
        if retry is None or not kinds:
            continue
        pinging = next((fake for fake in fakes if pings(*fake, rule)), None)
        if kinds <= SLOW and pinging is not None and not timed:
            report_ping(rule, retry, *pinging)
        elif kinds <= TORN and not fakes and not collects(rules) and asks_for_a_stream(rule):
            message = "of a stream, only what fails before its first event can be sent again"
            rule.findings.add("RP430", message, retry.verb_span, "later, events have reached the client",
                              help="fake_stream, in a rule on request: then the whole answer is waited for",
                              severity=Severity.NOTE)  # fmt: skip


def find_kinds(rule: PlacedRule) -> frozenset[str]:
    """The kinds of failures that a rule asks for; none where it may act on others."""
    found: set[str] = set()
    for alternative in rule.alternatives:
        asked = [part.asked for part in alternative if part.asked is not None]
        values = [one.values for one in asked if one.key == ("failure", "kind") and one.relation == "one of"]
        if not values:
            return frozenset()
        found |= {str(value) for _, value in frozenset.intersection(*values)}
    return frozenset(found)


def find_fakes(rule: PlacedRule) -> Iterator[syntax.Action]:
    """The `fake_stream` statements that a rule surely comes to."""
    for statement in rule.rule.body:
        if isinstance(statement, syntax.Action) and statement.verb == "fake_stream":
            yield statement


def ping_of(fake: syntax.Action) -> syntax.Expression | None:
    """What `ping_every` is, where it is written out and short."""
    options = fake.arguments.get("options")
    table = None if options is None or isinstance(options, syntax.Word) else bare(options)
    if not isinstance(table, syntax.Table):
        return None
    for field in table.fields:
        value = bare(field.value)
        if field.key is not None and literal_string(field.key) == "ping_every" and isinstance(value, syntax.Literal):
            return value if isinstance(value.value, int | float) and value.value <= LONGEST_PING else None
    return None


def pings(faker: PlacedRule, fake: syntax.Action, rule: PlacedRule) -> bool:
    """Whether a rule fakes a stream with pings for every request that another asks for when it fails."""
    if ping_of(fake) is None:
        return False
    return all(any(is_wider(mine, as_sent(theirs)) for mine in faker.alternatives) for theirs in rule.alternatives)


def as_sent(parts: Iterable[Part]) -> list[Part]:
    """What is asked of the client's request, as the request side asks it: rules before have hardly changed that."""
    return [*parts, *(found for part in parts if (found := without_original(part)) is not None)]


def without_original(part: Part) -> Part | None:
    """A part that asks for `original.request`, as one that asks for `request`."""
    if part.text is None or "original.request." not in part.text:
        return None
    asked = part.asked
    if asked is not None and asked.key[:2] == ("original", "request"):
        asked = replace(asked, key=asked.key[1:])
    return Part(part.node, asked, part.text.replace("original.request.", "request."))


def asks_for_a_stream(rule: PlacedRule) -> bool:
    """Whether a rule speaks of requests for streams."""
    parts = [part.text for alternative in rule.alternatives for part in alternative]
    return any(text is not None and "wants_stream" in text and not text.startswith("not ") for text in parts)


def collects(rules: Sequence[PlacedRule]) -> bool:
    """Whether a rule has streams collected before they are passed on."""
    return any("collect_stream" in rule.verbs for rule in rules)


def report_ping(rule: PlacedRule, retry: syntax.Action, faker: PlacedRule, fake: syntax.Action) -> None:
    """Say of a retry that pings have begun the answer before."""
    ping = ping_of(fake)
    assert ping is not None
    every = faker.findings.text(ping.span)
    message = f"`retry` comes too late: a ping has begun the answer after {every}"
    rule.findings.add("RP430", message, retry.verb_span, "a timeout comes later than that", second=fake.span,
                      second_label=f'in "{faker.name}"', second_in=faker.findings,
                      help="fake_stream", severity=Severity.WARNING)  # fmt: skip
