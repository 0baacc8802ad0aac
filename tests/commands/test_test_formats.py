"""`ruleproxy test` in the formats that programs read: what they say is what happened, whatever the names are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from junitparser import JUnitXml, TestCase, TestSuite

from ruleproxy.rehearsal.json_report import BadReport, read_report
from support.golden import run_ruleproxy

RULES = """\
rule "tag" on request
when request.path == "/tagged" then
  rewrite request.headers["x-tag"] = "1"
end

rule "breaks" on request
when request.path == "/broken" then
  rewrite request.headers["x-mark"] = "a\\nb"
end

test "good & <plain>"
  given request { method = "GET", path = "/tagged" }
  expect request.headers["x-tag"] == "1"
end

test "odd \\u{1} name, 100%: ]]>"
  given request { method = "GET", path = "/tagged" }
  expect request.headers["x-tag"] == "2"
end

test "cannot run"
  given request from "none.json"
  expect changed "tag"
end
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.rules").write_text(RULES.replace("\\u{1}", "\u0085"), encoding="utf-8")
    (tmp_path / "captures").mkdir()
    for name, path in (("plain", "/x"), ("tagged", "/tagged"), ("broken", "/broken")):
        (tmp_path / f"captures/{name}.json").write_text(json.dumps({"request": {"method": "GET", "path": path}}))
    lines = [b'{"request": {"method": "GET", "path": "/tagged"}}', b"\x00\x01 no JSON \xff"]
    (tmp_path / "captures/lines.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "captures/plain.accepted.json").write_text('{"sent": null, "answer": null}')
    return tmp_path


def cases(report: JUnitXml) -> Iterator[tuple[TestSuite, TestCase]]:
    for suite in report:
        for case in suite:
            yield suite, case


def test_junit_is_read_by_its_readers(work: Path) -> None:
    """Suites, cases, counts, places and messages, also of names that XML cannot hold as they are."""
    done = run_ruleproxy(work, "test", "--captures", "captures", "--format", "junit")
    assert done.returncode == 2, done.stderr
    (work / "report.xml").write_text(done.stdout, encoding="utf-8")
    report = JUnitXml.fromfile(str(work / "report.xml"))
    assert (report.tests, report.failures, report.errors) == (8, 3, 2)
    found = {
        case.name: (suite.name, [type(result).__name__ for result in case.result]) for suite, case in cases(report)
    }
    assert found == {
        "good & <plain>": ("rules/a.rules", []),
        "odd \u0085 name, 100%: ]]>": ("rules/a.rules", ["Failure"]),
        "cannot run": ("rules/a.rules", ["Error"]),
        "captures/broken.json": ("captures", ["Failure"]),
        "captures/lines.jsonl:1": ("captures", []),
        "captures/lines.jsonl:2": ("captures", ["Error"]),
        "captures/plain.json": ("captures", ["Failure"]),
        "captures/tagged.json": ("captures", []),
    }
    texts = {case.name: case.result[0] for _, case in cases(report) if case.result}
    assert 'request.headers["x-tag"] == "2"' in texts["odd \u0085 name, 100%: ]]>"].message
    assert texts["captures/broken.json"].message == '"breaks" failed'
    assert "~ /sent" in texts["captures/plain.json"].text
    assert "captures/lines.jsonl:2: not JSON: no UTF-8" in texts["captures/lines.jsonl:2"].text


def test_json_is_the_whole_report(work: Path) -> None:
    """It is read back as what it was written from, and says the exit code."""
    done = run_ruleproxy(work, "test", "--captures", "captures", "--format", "json")
    written = json.loads(done.stdout)
    assert written["code"] == done.returncode == 2
    assert written["totals"] == {"passed": 1, "failed": 2, "captures": 4, "changed": 2, "failing": 1, "unlike": 1,
                                 "written": 0, "unreadable": 1, "lost": 0, "compared": 1, "uncompared": 3}  # fmt: skip
    (work / "report.json").write_text(done.stdout)
    report = read_report(work / "report.json")
    assert [entry.passed for entry in report.tests] == [True, False, False]
    assert [entry.key for entry in report.captures] == ["broken.json", "lines.jsonl:1", "lines.jsonl:2", "plain.json",
                                                       "tagged.json"]  # fmt: skip
    tagged = report.captures[-1].tried[0].rehearsal
    assert [(rule.verdict, rule.name) for rule in tagged.acted] == [("changed", "tag")]
    assert [(edit.kind, edit.where, edit.after) for edit in tagged.differences] == [("+", "header x-tag", "1")]


def test_github_names_file_and_line(work: Path) -> None:
    """An annotation stands where the expectation, the test or the line of the captures does."""
    done = run_ruleproxy(work, "test", "--captures", "captures", "--format", "github")
    *annotations, closing, _ = done.stdout.split("\n")
    assert [line.partition(",title=")[0] for line in annotations] == [
        "::error file=rules/a.rules,line=18",
        "::error file=rules/a.rules,line=21",
        "::error file=captures/broken.json,line=1",
        "::error file=captures/lines.jsonl,line=2",
        "::error file=captures/plain.json,line=1",
    ]
    assert "100%25%3A ]]>" in annotations[0]
    assert closing.startswith("1 passed, 2 failed; 4 captures: 2 changed")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a report of ruleproxy test: input data was truncated"),
        ('{"report": 1, "heading": {"rules": []}, "tests": [{}], "captures": []}', "missing required field `file`"),
        ('{"report": 2, "heading": {"rules": []}, "tests": [], "captures": []}', "version 2 is not what is read here"),
    ],
)
def test_other_files_are_no_reports(text: str, reason: str, tmp_path: Path) -> None:
    """What cannot be read back is named with its place."""
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(BadReport, match=r"r\.json: .*") as raised:
        read_report(tmp_path / "r.json")
    assert reason in str(raised.value)


def test_an_empty_selection_fails_in_every_format(work: Path) -> None:
    """Exit 1, and what is written is still of the format."""
    for shape, empty in (("text", ""), ("github", ""), ("json", '"tests": ['), ("junit", '<testsuites name="rulepro')):
        done = run_ruleproxy(work, "test", "-k", "nowhere", "--captures", "captures", "--format", shape)
        assert done.returncode == 1
        assert empty in done.stdout
        assert 'no test with "nowhere" in its name' in done.stderr


def test_broken_rules_are_not_in_the_report(work: Path) -> None:
    """What is wrong with the rules goes to standard error, so that no program reads it as a report."""
    (work / "rules/b.rules").write_text('rule "a" on nowhere then\nend\n')
    done = run_ruleproxy(work, "test", "--format", "junit")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[RP201]" in done.stderr
