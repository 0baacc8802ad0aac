"""`ruleproxy test --coverage`: what tests and captures reach of the rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.golden import run_ruleproxy

RULES = """\
rule "legs" on request
when request.method == "POST" and (request.path == "/a" or request.path == "/b" and request.headers["x"] ~= nil) then
  rewrite request.headers["x-tag"] = "1"
end

rule "only notes" on request
when request.path == "/a" then
  note "seen"
end

rule "in shadow" on request, shadow then
  rewrite request.headers["x-shadow"] = "1"
end

rule "fails" on request
when request.body.max ~= nil and request.body.max < 1 then
  rewrite request.headers["x-tag"] = "1"
end

rule "on answers" on response
when response.status == 500 then
  rewrite response.status = 502
end

test "one"
  given request { method = "POST", path = "/a", body = { max = "x" } }
  expect request.headers["x-tag"] == "1"
end
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.rules").write_text(RULES)
    lines = [{"request": {"method": "POST", "path": f"/{name}"}} for name in "bc" * 150]
    (tmp_path / "captures.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def covered(folder: Path, *options: str) -> dict[str, Any]:
    done = run_ruleproxy(folder, "test", "--coverage", "--format", "json", *options)
    return {rule["name"]: rule for rule in json.loads(done.stdout)["coverage"]}


def test_each_rule_and_each_leg(work: Path) -> None:
    """Verdicts are counted; a leg behind one that decides is not seen; a failing leg is no value."""
    rules = covered(work)
    assert {name: rule["verdicts"] for name, rule in rules.items()} == {
        "legs": {"changed": 1},
        "only notes": {"matched": 1},
        "in shadow": {"shadowed": 1},
        "fails": {"failed": 1},
        "on answers": {"unmatched": 1},
    }
    assert [(leg["text"], leg["true"], leg["false"]) for leg in rules["legs"]["legs"]] == [
        ('request.method == "POST"', 1, 0),
        ('request.path == "/a"', 1, 0),
        ('request.path == "/b"', 0, 0),
        ('request.headers["x"] ~= nil', 0, 0),
    ]
    assert [rule["legs"] for name, rule in rules.items() if name not in ("legs", "fails")] == [[], [], []]


def test_captures_count_too_in_several_processes(work: Path) -> None:
    """What all processes saw, and what the tests saw, is one sum."""
    for jobs in ("1", "2"):
        legs = covered(work, "--captures", "captures.jsonl", "--jobs", jobs)["legs"]
        assert legs["verdicts"] == {"changed": 1, "unmatched": 300}
        assert [(leg["true"], leg["false"]) for leg in legs["legs"]] == [(301, 0), (1, 300), (150, 150), (0, 150)]


def test_the_table_and_the_bar(work: Path) -> None:
    """The table names what was not seen; below the bar the exit code is 1, at the bar 0."""
    done = run_ruleproxy(work, "test", "--coverage", "--fail-under", "35.2")
    # 3 of 5 rules acted, 3 of 12 outcomes of 6 legs were seen: 6 of 17
    assert "35.2 % covered: 3 of 5 rules acted, 3 of 12 outcomes of legs were seen" in done.stdout
    assert '      never true or false: request.path == "/b"' in done.stdout
    assert '      never false: request.method == "POST"' in done.stdout
    assert done.stdout.count("never acted") == 2
    assert done.returncode == 0
    done = run_ruleproxy(work, "test", "--coverage", "--fail-under", "36")
    assert (done.returncode, done.stderr) == (1, "ruleproxy: 35.2 % covered, and 36 % are asked for\n")
    assert run_ruleproxy(work, "test", "--fail-under", "36").returncode == 2


def test_a_failing_condition_is_told_where_it_stands(work: Path) -> None:
    """Watching a condition does not change what is said of it."""
    capture = {"request": {"method": "POST", "path": "/a", "body": {"max": "x"}}}
    (work / "broken.json").write_text(json.dumps(capture))
    arguments = ("test", "--captures", "broken.json", "-k", "broken")
    watched, plain = run_ruleproxy(work, *arguments, "--coverage"), run_ruleproxy(work, *arguments)
    assert "RP510 at 16:6" in plain.stdout
    assert plain.stdout.splitlines()[:20] == watched.stdout.splitlines()[:20]


def test_github_shows_what_is_not_covered(work: Path) -> None:
    """A warning at each rule."""
    done = run_ruleproxy(work, "test", "--coverage", "--format", "github")
    warnings = [line for line in done.stdout.splitlines() if line.startswith("::warning file=rules/a.rules,line=")]
    assert [line.partition("title=")[2].partition("::")[0] for line in warnings] == [
        '"legs" is not covered', '"fails" is not covered', '"on answers" is not covered'
    ]  # fmt: skip
    assert done.returncode == 0


DECIDES = """\
rule "decides" on request
when request.path == "/a" then
  for tool in request.body.tools do
    if tool.type == "custom" or (tool.type == nil and tool.name == "b") then
      rewrite tool.seen = 1
    elseif is_string(tool.description) then
      local long = tool.description
      rewrite tool.seen = 2
    else
      note "neither"
    end
  end
end

test "one"
  given request { path = "/a", body = { tools = { { name = "b" }, { name = "c", description = "d" } } } }
  expect changed "decides"
end

test "none"
  given request { path = "/a" }
  expect matched "decides"
end
"""


def test_the_legs_of_an_if_count(work: Path) -> None:
    """Those of `elseif` and within loops, too; rules do what they do unwatched."""
    (work / "rules/a.rules").write_text(DECIDES)
    assert run_ruleproxy(work, "check").returncode == 0
    for options in ((), ("--captures", "captures.jsonl", "--jobs", "2")):
        legs = covered(work, *options)["decides"]["legs"]
        assert [(leg["text"], leg["true"], leg["false"]) for leg in legs] == [
            ('tool.type == "custom"', 0, 2),
            ("tool.type == nil", 2, 0),
            ('tool.name == "b"', 1, 1),
            ("is_string(tool.description)", 1, 0),
        ]
    done = run_ruleproxy(work, "test", "--coverage")
    assert '      never true: tool.type == "custom"\n      never false: tool.type == nil\n' in done.stdout
    assert "66.6 % covered: 1 of 1 rule acted, 5 of 8 outcomes of legs were seen" in done.stdout


WHERE = """\
rule "chooses" on request then
  strip tool in request.body.tools where tool.type == "custom" and blank(tool.name)
  for message in request.body.messages do
    move block in message.content where block.type == "tool_use" to last
  end
  strip message in request.body.messages where previous(message) ~= nil and message.role == "system"
  strip beta in request.headers["anthropic-beta"] where beta == "a"
end

test "one"
  given request {
    path = "/a",
    headers = { ["anthropic-beta"] = "a,b" },
    body = {
      tools = { { type = "custom", name = "b" }, { type = "custom" }, { type = "custom", name = "c" } },
      messages = {
        { role = "user", content = { { type = "tool_use" }, { type = "text" } } },
        { role = "assistant", content = "text" },
      },
    },
  }
  expect count(request.body.tools) == 2
  expect last(first(request.body.messages).content).type == "tool_use"
  expect request.headers["anthropic-beta"] == "b"
end
"""


def test_the_legs_of_a_where_count(work: Path) -> None:
    """Each element that was asked is one: of a list in the body, of one beside its neighbours, of a header."""
    (work / "rules/a.rules").write_text(WHERE)
    legs = covered(work)["chooses"]["legs"]
    assert [(leg["text"], leg["true"], leg["false"]) for leg in legs] == [
        ('tool.type == "custom"', 3, 0),
        ("blank(tool.name)", 1, 2),
        ('block.type == "tool_use"', 1, 1),
        ("previous(message) ~= nil", 1, 1),
        ('message.role == "system"', 0, 1),
        ('beta == "a"', 1, 1),
    ]
    done = run_ruleproxy(work, "test", "--coverage")
    assert "1 passed, 0 failed" in done.stdout
    assert '      never true: message.role == "system"' in done.stdout
