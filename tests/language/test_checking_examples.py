"""The examples of the language under the checker: files that are fine, several files at once, and any text at all."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.engine.vocabulary import check_literal, load_vocabulary
from ruleproxy.language.checking import check_files
from ruleproxy.language.diagnostics import Diagnostic, Severity
from ruleproxy.language.parsing import parse
from ruleproxy.language.reading import source_from_text
from ruleproxy.language.reporting import render, render_all
from ruleproxy.language.signatures import Vocabulary
from ruleproxy.language.types import BOOL, NIL_TYPE, STRING, Type

HERE = Path(__file__).parent
DRAFTS = frozenset({"model-list", "model-names", "tool-names"})
"""Examples that read a name which may be missing; beside this file they are with the guard they need."""

EXAMPLES = [path for path in sorted((HERE / "examples").glob("*.rules")) if path.stem not in {"forms", *DRAFTS}]
CHECKED = sorted((HERE / "checked").glob("*.rules"))
UPSTREAMS = {
    "default": "https://apim.corp.example",
    "bedrock": "https://bedrock-runtime.eu-west-1.amazonaws.com",
}


def check(*texts: str, parameters: Mapping[str, Type] | None = None) -> list[Diagnostic]:
    """The findings of some files that belong together."""
    trees = [parse(source_from_text(f"{at}.rules", dedent(text)))[0] for at, text in enumerate(texts)]
    return check_files(
        trees,
        load_vocabulary(),
        upstreams=UPSTREAMS,
        declared_parameters=parameters,
        check_literal=check_literal,
    )


def codes(findings: list[Diagnostic]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize("path", [*EXAMPLES, *CHECKED], ids=lambda path: path.stem)
def test_examples_are_fine(path: Path) -> None:
    """What the design shows is right: nothing but notes is said of it."""
    findings = check(path.read_text(encoding="utf-8"))
    assert render_all(finding for finding in findings if finding.severity is not Severity.NOTE) == ""


@pytest.mark.parametrize("name", sorted(DRAFTS))
def test_drafts_lack_their_guard(name: str) -> None:
    """The checker finds what would have failed on a tool or a model without a name."""
    findings = check((HERE / "examples" / f"{name}.rules").read_text(encoding="utf-8"))
    assert {finding.code for finding in findings if finding.severity is Severity.ERROR} == {"RP305"}


def test_rule_names_are_unique_over_all_files() -> None:
    """Two rules of one name are found in whichever files they stand, and both places are shown."""
    rule = 'rule "a" on request then\n  strip request.body.metadata\nend\n'
    (finding,) = check(rule, rule)
    assert finding.code == "RP203"
    assert finding.primary.source.name == "1.rules"
    assert finding.secondary is not None
    assert finding.secondary.source.name == "0.rules"


def test_tests_name_rules_of_any_file() -> None:
    """A test may speak of a rule of another file."""
    assert (
        check(
            'rule "a" on request then\n  stop\nend\n',
            'test "t"\n  given request { path = "/" }\n  expect changed "a"\nend\n',
        )
        == []
    )


def test_locals_are_those_of_their_file() -> None:
    """A `local` of one file is unknown in another."""
    findings = check(
        'local a = "x"\nrule "a" on request then\n  note a\nend\n', 'rule "b" on request then\n  note a\nend\n'
    )
    assert codes(findings) == ["RP201"]
    assert findings[0].primary.source.name == "1.rules"


def test_parameters_are_declared_and_used() -> None:
    """A parameter that is not declared is an error, one that is never read a warning."""
    rule = 'rule "a" on request then\n  rewrite request.headers["x-region"] = parameters.regoin\nend\n'
    findings = check(rule, parameters={"region": STRING})
    assert codes(findings) == ["RP202", "RP204"]
    assert findings[0].help == ("did you mean `region`?",)
    assert findings[1].severity is Severity.WARNING
    assert check(rule.replace("regoin", "region"), parameters={"region": STRING}) == []
    assert check(rule, parameters=None) == []


PARAMETERS = {"audit": BOOL, "region": STRING, "team": STRING | NIL_TYPE}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ('when parameters.audit then note "x" end', None),
        ('when parameters.audit == true then note "x" end', None),
        ('when parameters.region == 1 then note "x" end', "RP303"),
        ('then note "team " .. parameters.team end', "RP305"),
        ('when parameters.team ~= nil then note "team " .. parameters.team end', None),
        ('then note "team " .. (parameters.team ?? "none") end', None),
        ('then note "in " .. parameters.region end', None),
        ('when parameters.region then note "x" end', "RP301"),
    ],
)
def test_parameters_have_the_types_of_their_manifest(statement: str, code: str | None) -> None:
    """A flag is a condition, a text is none, and what may be left out is nil where it was."""
    rule = f'edition 1\n\nrule "a" on request {statement}\n'
    found = [finding.code for finding in check(rule, parameters=PARAMETERS) if finding.code != "RP204"]
    assert found == ([] if code is None else [code])


def test_origins_are_checked_where_they_are_known() -> None:
    """Without declared upstreams nothing is said of a URL."""
    rule = 'rule "a" on request then\n  rewrite upstream.url = "https://elsewhere.example/"\nend\n'
    assert codes(check(rule)) == ["RP340"]
    tree, _ = parse(source_from_text("a.rules", rule))
    assert check_files([tree], load_vocabulary(), upstreams=None, declared_parameters=None) == []


def test_a_verb_that_this_version_lacks_is_unknown() -> None:
    """What the grammar reads and the vocabulary has not is said once, and drags nothing else along."""
    whole = load_vocabulary()
    verbs = {name: verb for name, verb in whole.verbs.items() if name != "retry"}
    verbs["strip"] = replace(
        verbs["strip"], forms=tuple(form for form in verbs["strip"].forms if form.name != "strip_at")
    )
    text = 'rule "a" on response then\n  strip request.body at "a.b"\n  strip request.body.model\n  retry\nend\n'
    tree, _ = parse(source_from_text("a.rules", text))
    findings = check_files([tree], Vocabulary(verbs, whole.functions), upstreams=None, declared_parameters=None)
    assert [finding.message for finding in findings] == ["`strip` has no form `strip at`", "unknown verb `retry`"]


def test_all_problems_are_found_in_one_run() -> None:
    """A mistake in one rule, or in one leg of a condition, hides none in another."""
    findings = check(
        """
        rule "a" on request when request.metod == "x" and request.pat == "y" then
          rewrite request.model = nope
        end
        rule "b" on nowhere then
          stop
        end
        rule "c" on request then
          strip request.body.max_token
        end
        """
    )
    assert codes(findings) == ["RP202", "RP202", "RP201", "RP331", "RP201", "RP202"]


def test_a_message_names_the_thing_and_is_short() -> None:
    """Messages are in lower case, end without a stop, and a report has at most one other place."""
    texts = [path.read_text(encoding="utf-8") for path in (HERE.parent / "diagnostics" / "checker").glob("*.rules")]
    found = [finding for text in texts for finding in check(text)]
    assert len(found) > 100
    for finding in found:
        assert not finding.message.endswith(".")
        assert finding.message[0] in "`" or finding.message[0].islower()
        assert len(finding.message) < 100
        assert render(finding)


GOOD = [path.read_text(encoding="utf-8") for path in [*EXAMPLES, *CHECKED]]
WORDS = sorted({word for text in GOOD for word in text.replace("(", " ( ").replace(".", " . ").split()})


@st.composite
def mutated_files(draw: st.DrawFn) -> str:
    """An example with some of its words replaced, taken away or doubled."""
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(WORDS) | st.text("[]*(){}.,=~\"'-? aen0", max_size=4)) + text[end:]
    return text


@settings(max_examples=150, deadline=None)
@given(mutated_files())
def test_the_checker_never_raises(text: str) -> None:
    """Whatever tree the parser makes, it is checked, and every finding can be shown."""
    tree, _ = parse(source_from_text("mutated.rules", text))
    findings = check_files(
        [tree], load_vocabulary(), upstreams=UPSTREAMS, declared_parameters={}, check_literal=check_literal
    )
    assert all(render(finding) for finding in findings)


def test_deep_nesting_is_checked() -> None:
    """The deepest trees that the parser makes do not exhaust the checker."""
    concatenation = " .. ".join(['"a"'] * 95)
    conditions = "(" * 45 + "request.wants_stream" + ")" * 45
    negations = "not " * 90 + "request.wants_stream"
    tables = "{ a = " * 45 + "1" + " }" * 45
    blocks = "if request.wants_stream then\n" * 90 + "stop\n" + "end\n" * 90
    text = "".join(
        f'rule "{at}" on request when {condition} then\n{body}\nend\n'
        for at, (condition, body) in enumerate(
            [
                ("request.wants_stream", f"note {concatenation}"),
                (conditions, "stop"),
                (negations, "stop"),
                ("request.wants_stream", f"inject {tables} into request.body"),
                ("request.wants_stream", blocks),
            ]
        )
    )
    tree, problems = parse(source_from_text("deep.rules", text))
    assert problems == []
    assert len(tree.items) == 5
    findings = check_files([tree], load_vocabulary(), upstreams=None, declared_parameters=None)
    assert all(finding.severity is not Severity.ERROR for finding in findings)
