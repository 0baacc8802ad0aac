"""What a `test` block expects of a finished exchange."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from typing import get_args

from ruleproxy.engine.expressions import CannotCompile
from ruleproxy.engine.legs import LegCompiler
from ruleproxy.engine.masking import mask_expression, mask_operand, mask_text
from ruleproxy.engine.running import Outcome, Verdict, show_value
from ruleproxy.engine.vocabulary import load_vocabulary
from ruleproxy.language import syntax
from ruleproxy.language.counts import count
from ruleproxy.messages.values import EditRefused
from ruleproxy.rehearsal.finished import Finished
from ruleproxy.rehearsal.givens import BadTest, folder_of, suggest
from ruleproxy.rehearsal.snapshots import render_snapshot
from ruleproxy.rehearsal.unchanged import check_unchanged

VERDICTS = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class Missed:
    """An expectation that was not met: where it stands, what it says, and why not, a line each."""

    place: str
    text: str
    reasons: tuple[str, ...]


def check_expectation(expect: syntax.Expect, finished: Finished) -> Missed | None:
    """None where an expectation is met. Raises `BadTest` for one that cannot be asked."""
    reasons = _check(expect, finished)
    if not reasons:
        return None
    source = finished.test.source
    text = " ".join(source.slice(expect.span).split())
    place = f"{source.name}:{source.position(expect.span.start).line}"
    return Missed(place, mask_expression(text), tuple(map(mask_text, reasons)))


def _check(expect: syntax.Expect, finished: Finished) -> list[str]:
    subject = expect.subject
    if expect.attempt is not None:
        sent = len(finished.client.sends)
        if not 0 < expect.attempt <= sent:
            return [f"sent {count(sent, 'time')}"]
        finished = finished.at(expect.attempt)
    match expect.verdict:
        case None if expect.condition is not None:
            return _check_condition(expect.condition, finished)
        case "unchanged" if isinstance(subject, syntax.Path):
            return check_unchanged(subject, finished)
        case "stopped_by" if isinstance(subject, str):
            return _check_stopped(expect, subject, finished)
        case "learned" if isinstance(subject, str):
            return _check_learned(subject, finished)
        case "snapshot" if isinstance(subject, str):
            return _check_snapshot(subject, finished)
        case "retried":
            retries = max(len(finished.client.sends) - 1, 0)
            met = retries == subject if isinstance(subject, int) else retries > 0
            return [] if met else [f"retried {count(retries, 'time')}"]
        case verdict if verdict in VERDICTS and isinstance(subject, str):
            found = find_verdicts(expect, subject, finished)
            return [] if verdict in found else [f"it is {' and '.join(dict.fromkeys(found))}"]
    raise BadTest(expect.span, f"nothing is known of `expect {expect.verdict}`")


def _check_condition(condition: syntax.Expression, finished: Finished) -> list[str]:
    test, context = finished.test, finished.context
    compiler = LegCompiler(test.source, finished.constants(), load_vocabulary(), test.parameters)
    for leg in compiler.legs(condition):
        try:
            if leg.holds(context):
                continue
            width = max((len(text) for text, _ in leg.operands), default=0)
            shown = [
                f"{text:<{width}}   {mask_operand(text, show_value(evaluate(context)))}"
                for text, evaluate in leg.operands
            ]
            return shown or [f"{mask_expression(leg.text)} is false"]
        except CannotCompile as error:
            raise BadTest(error.node.span, str(error)) from None
        except EditRefused as refused:
            return [str(refused)]
    return []


def find_verdicts(expect: syntax.Expect, name: str, finished: Finished) -> list[Verdict]:
    """The verdicts of the rules of this name, with or without the prefix of their pack. Raises `BadTest`."""
    found: list[Verdict] = []
    exchange = finished.exchange
    outcomes = exchange.outcomes
    for rule in exchange.ruleset.rules:
        if name in (rule.name, rule.node.name):
            verdicts = [outcome.verdict for outcome in outcomes.get(rule.side, ()) if outcome.rule is rule]
            found += verdicts or [exchange.verdict_without_outcome(rule)]
    if not found:
        known = {known for rule in exchange.ruleset.rules for known in (rule.name, rule.node.name)}
        raise BadTest(expect.span, f'no rule is named "{name}"{suggest(name, sorted(known))}')
    return found


def _check_stopped(expect: syntax.Expect, name: str, finished: Finished) -> list[str]:
    find_verdicts(expect, name, finished)  # refuses a name that no rule has
    stoppers = [o for side in finished.exchange.outcomes.values() for o in side if o.verdict == "changed" and stops(o)]
    if any(name in (outcome.rule.name, outcome.rule.node.name) for outcome in stoppers):
        return []
    names = ", ".join(f'"{outcome.rule.name}"' for outcome in stoppers)
    return [f"stopped by {names}" if names else "nothing stopped"]


def stops(outcome: Outcome) -> bool:
    """Whether a rule ended its side."""
    return any(
        decision in ("stop", "retry", "drop") or decision.startswith("respond ") for decision in outcome.decisions
    )


def _check_learned(text: str, finished: Finished) -> list[str]:
    """Whether a rule was learned that has these words, and the same request is edited by it up front now."""
    learning = finished.exchange.sides.learning
    found = [known for known in learning.learned if " ".join(text.split()) in " ".join(known.lesson.body.split())]
    if not found:
        learned = [line for known in learning.learned for line in known.text.rstrip().split("\n")]
        return [*(learned or ["nothing was learned"]), *learning.refusals]
    again = finished.repeat()
    acted = set(again.acted)
    idle = [known.rule.name for known in found if known.rule.name not in acted]
    return [f"it changes nothing of the same request: {name}" for name in idle]


def _check_snapshot(name: str, finished: Finished) -> list[str]:
    file = folder_of(finished.test) / name
    fresh = render_snapshot(finished.exchange.sent)
    try:
        known = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = None
    except (OSError, UnicodeDecodeError) as error:
        return [f"{file}: {error}"]
    if known == fresh:
        return []
    if finished.accept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(fresh, encoding="utf-8")
        finished.accepted.append(file)
        return []
    if known is None:
        return [f"{file} is not there: ruleproxy test --accept writes it"]
    return [f"{file} differs: ruleproxy test --accept takes what went out", *_first_lines(known, fresh)]


def _first_lines(known: str, fresh: str) -> list[str]:
    lines = list(unified_diff(known.splitlines(), fresh.splitlines(), "accepted", "now", n=1, lineterm=""))
    return lines[:24] + ([f"… and {count(len(lines) - 24, 'line')} more"] if len(lines) > 24 else [])
