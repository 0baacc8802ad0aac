"""`ruleproxy import` as users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ruleproxy.captures.reading import read_capture
from support.golden import run_ruleproxy

KEY = "sk-ant-api03-" + "Ab1" * 12
REQUEST = f'POST /v1/messages HTTP/1.1\nHost: a.example\nx-api-key: {KEY}\n\n{{"echo":"{KEY}"}}\n'


def har(*urls: str) -> str:
    entries = [{"request": {"method": "GET", "url": url, "headers": []}} for url in urls]
    return json.dumps({"log": {"entries": entries}})


def test_every_format_at_once(tmp_path: Path) -> None:
    """Each file becomes captures that can be read; what is written and left out is said."""
    (tmp_path / "session.har").write_text(har("https://a.example/one", "wss://a.example/", "https://a.example/two"))
    (tmp_path / "by hand.sh").write_text("curl https://a.example/v1/models\n")
    (tmp_path / "raw.http").write_text(REQUEST)
    done = run_ruleproxy(tmp_path, "import", "session.har", "by hand.sh", "raw.http", "--out", "captures")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "captures/session-0001-one.json  GET /one  no answer",
        "captures/session-0003-two.json  GET /two  no answer",
        "captures/by-hand-v1-models.json  GET /v1/models  no answer",
        "captures/raw-v1-messages.json  POST /v1/messages  no answer",
        "4 captures written to captures, 1 left out",
    ]
    assert done.stderr == "left out  session.har at /log/entries/1: wss://a.example/: a web socket\n"
    made = read_capture(tmp_path / "captures" / "raw-v1-messages.json")
    assert b"*masked-" in made.request.body
    for file in (tmp_path / "captures").iterdir():
        assert KEY not in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_is_overwritten_by_chance(tmp_path: Path) -> None:
    """The same again is there already; another of the same name is an error until it is forced."""
    (tmp_path / "raw.http").write_text(REQUEST)
    first = run_ruleproxy(tmp_path, "import", "raw.http", "--out", "captures")
    again = run_ruleproxy(tmp_path, "import", "raw.http", "--out", "captures")
    assert (first.returncode, again.returncode) == (0, 0)
    assert again.stdout == "0 captures written to captures, 1 there already\n"
    (tmp_path / "raw.http").write_text(REQUEST.replace("echo", "other"))
    refused = run_ruleproxy(tmp_path, "import", "raw.http", "--out", "captures")
    assert refused.returncode == 2
    assert "captures/raw-v1-messages.json is there already and differs (--force replaces it)" in refused.stderr
    forced = run_ruleproxy(tmp_path, "import", "raw.http", "--out", "captures", "--force")
    assert forced.returncode == 0
    assert b"other" in read_capture(tmp_path / "captures" / "raw-v1-messages.json").request.body


def test_what_is_broken_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Every bad file is one line with its name; good ones are imported; the code is 2."""
    (tmp_path / "good.http").write_text("GET /x HTTP/1.1\nHost: a\n\n")
    (tmp_path / "empty.har").write_bytes(b"")
    (tmp_path / "cut.har").write_text(har("https://a.example/")[:-9])
    (tmp_path / "binary.har").write_bytes(bytes(range(256)))
    (tmp_path / "capture.json").write_text('{"version": 1, "request": {"method": "GET", "path": "/"}}')
    (tmp_path / "folder").mkdir()
    names = ("empty.har", "cut.har", "binary.har", "capture.json", "folder", "missing.har", "good.http")
    done = run_ruleproxy(tmp_path, "import", *names, "--out", "captures")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 6
    assert lines[0] == "ruleproxy: empty.har: empty"
    assert lines[1].startswith("ruleproxy: cut.har: not JSON: ")
    assert lines[2] == "ruleproxy: binary.har: no HAR, no command of curl and no HTTP request"
    assert lines[3].startswith("ruleproxy: capture.json: a capture already")
    assert lines[4] == "ruleproxy: folder: is a directory"
    assert lines[5] == "ruleproxy: missing.har: no such file or directory"
    assert done.stdout.endswith("1 capture written to captures, 6 broken\n")


def test_urls_and_standard_input(tmp_path: Path) -> None:
    """`--url` chooses among the entries of a HAR; `-` reads what is piped."""
    text = har("https://a.example/v1/messages", "https://b.example/track")
    command = [sys.executable, "-m", "ruleproxy", "import", "-", "--out", "captures", "--url", "https://a.*"]
    done = subprocess.run(command, cwd=tmp_path, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (tmp_path / "captures").iterdir()] == ["stdin-0001-v1-messages.json"]
    nothing = subprocess.run([*command[:-1], "https://c.*"], cwd=tmp_path, input=text, capture_output=True, text=True)
    assert nothing.returncode == 2
    assert nothing.stderr == "ruleproxy: -: it has no exchange with such a URL\n"
    command[command.index("captures")] = __file__
    refused = subprocess.run(command, cwd=tmp_path, input=text, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr) == (2, f"ruleproxy: --out {__file__}: this is a file\n")
