"""Starting `ruleproxy serve` with what cannot be served: every problem in one run, one clear line, the right code."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ruleproxy.commands import main
from support.raw_client import RawClient
from support.recording_upstream import recording_upstream
from support.server_process import clean_environment, serve_command, server_process

RIGHT = 'edition 1\n\nrule "mark" on request then\n  rewrite request.headers["x-mark"] = "1"\nend\n'


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `ruleproxy serve`, which has to end by itself."""
    command = serve_command("--listen", "127.0.0.1:0", *arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, env=clean_environment())


def start_with(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it with one rules file and an upstream."""
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "1.rules").write_text(text)
    return start(folder, "--upstream", "http://127.0.0.1:1", *arguments)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a command that ends before it serves, so that it may run in this process."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("RULEPROXY_"):
            monkeypatch.delenv(name)
    return tmp_path


def test_broken_rules(tmp_path: Path) -> None:
    """Every diagnostic of every file, with its place; nothing listens."""
    rules = tmp_path / "rules"
    (rules / "team").mkdir(parents=True)
    (rules / "1.rules").write_text('edition 1\n\nrule "a" on request the\n  strip request.body.x\nend\n')
    (rules / "2.rules").write_text(RIGHT)
    (rules / "team" / "3.rules").write_text(
        'edition 1\n\nrule "b" on request then\n  stripe request.body.x\nend\n'
        '\nrule "c" on request\nwhen request.nothing == 1 then\n  stop\nend\n'
    )
    (rules / "4.rules").write_bytes(b'edition 1\n\nrule "\xff" on request then\nend\n')
    ended = start(tmp_path, "--upstream", "http://127.0.0.1:1")
    assert ended.returncode == 1
    for place in ("1.rules:3:", "team/3.rules:4:", "4.rules:"):
        assert place in ended.stderr
    assert "2.rules" not in ended.stderr
    assert "stripe" in ended.stderr
    assert "the rules are broken: " in ended.stderr
    assert "listening" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """One line that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = start_with(tmp_path, RIGHT, "--listen", place)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"ruleproxy: cannot listen on {place}: address already in use"
    assert len(ended.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "no upstream is given"),
        (("--upstream", "ftp://x"), 2, "does not begin with http:// or https://"),
        (("--upstream", "http://user:pass@x"), 2, "user name or password"),
        (("--upstream", "http://x", "--upstream", "http://y"), 2, "default is given twice"),
        (("--upstream", "http://x", "--rules", "nowhere"), 2, "no rules at nowhere: no such file or folder"),
        (("--upstream", "http://x", "--config", "nowhere.toml"), 2, "nowhere.toml"),
        (("--upstream", "http://x", "--listen", "0.0.0.0:0"), 1, "--allow-remote"),
        (("--upstream", "http://x", "--listen", "here"), 2, "expected HOST:PORT"),
        (("--upstream", "http://x", "--unknown"), 2, "No such option"),
    ],
)
def test_usage(in_folder: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """What cannot be meant ends at once, without a traceback and without repeating a credential."""
    ended = CliRunner().invoke(main, ["serve", "--listen", "127.0.0.1:0", *arguments])
    assert ended.exit_code == code
    assert isinstance(ended.exception, SystemExit)
    assert said in ended.stderr
    assert "pass@" not in ended.stderr


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ('edition 1\n\nuse "acme/unknown"\n', "RP901", 'no pack "acme/unknown" is here'),
        ('edition 1\n\nuse "ruleproxy/strict-apin"\n', "RP901", 'did you mean use "ruleproxy/strict-apim"'),
        ('edition 1\n\nuse "ruleproxy/strict-apim"\n', "RP305", "needs the parameter `url`"),
        ('edition 1\n\nuse "ruleproxy/strict-apim" with { url = 3 }\n', "RP302", "takes a string"),
        ('edition 1\n\nuse "ruleproxy/strict-apim" with { url = "u", urll = "x" }\n', "RP201", "no parameter `urll`"),
        ('edition 1\n\nuse "ruleproxy/strict-apim/nowhere" with { url = "u" }\n', "RP901", "has no nowhere.rules"),
        ("edition 2\n", "RP", "edition"),
        (
            'edition 1\n\nrule "elsewhere" on request then\n  rewrite upstream.url = "https://elsewhere.example/x"\nend\n',
            "RP340",
            "https://elsewhere.example",
        ),
    ],
)
def test_rules_that_name_what_is_not_there(in_folder: Path, text: str, code: str, said: str) -> None:
    """Packs, parameters and upstreams are checked before anything is served."""
    (in_folder / "rules").mkdir()
    (in_folder / "rules" / "1.rules").write_text(text)
    ended = CliRunner().invoke(main, ["serve", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"])
    assert ended.exit_code == 1
    assert code in ended.stderr
    assert said in ended.stderr


@pytest.mark.parametrize(
    ("target", "said"), [("nowhere", "no such file"), ("2.rules", "too many levels of symbolic links")]
)
def test_a_rules_file_that_cannot_be_read(tmp_path: Path, target: str, said: str) -> None:
    """Named with the reason: half a rule set is not served."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "2.rules").symlink_to(target)
    ended = start_with(tmp_path, RIGHT)
    assert ended.returncode == 1
    assert f"2.rules: {said}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_rules_file_without_permission(tmp_path: Path) -> None:
    """The same for a file that belongs to somebody else."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "2.rules").write_text(RIGHT)
    (tmp_path / "rules" / "2.rules").chmod(0)
    ended = start_with(tmp_path, RIGHT)
    assert ended.returncode == 1
    assert "2.rules: permission denied" in ended.stderr


def test_a_folder_that_links_to_itself(tmp_path: Path) -> None:
    """It is entered once: the rules are served, each once."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "1.rules").write_text(RIGHT)
    (rules / "again").symlink_to(rules)
    (rules / "up").symlink_to(tmp_path)
    with recording_upstream() as upstream, server_process(tmp_path, upstream.url) as server:
        server.wait_for_log(rb"\b1 rule from 1 file\n")
        with RawClient(server.port) as client:
            client.ask(body=b"{}")
        assert upstream.requests[0].values(b"x-mark") == [b"1"]


def test_two_hundred_files(tmp_path: Path) -> None:
    """All are in force, in bytewise order of their paths."""
    rules = tmp_path / "rules"
    for number in range(200):
        folder = rules / f"{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:03}.rules").write_text(
            f'edition 1\n\nrule "r{number}" on request then\n'
            f'  rewrite request.headers["x-order"] = (request.headers["x-order"] ?? "") .. "{number},"\nend\n'
        )
    with recording_upstream() as upstream, server_process(tmp_path, upstream.url) as server:
        server.wait_for_log(rb"200 rules from 200 files")
        with RawClient(server.port) as client:
            client.ask(body=b"{}")
        order = [int(number) for number in upstream.requests[0].values(b"x-order")[0].split(b",") if number]
    assert order == sorted(range(200), key=lambda number: (number % 7, number))


def test_two_folders(tmp_path: Path) -> None:
    """`--rules` twice: the first folder's rules come first."""
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.rules").write_text(
            f'edition 1\n\nrule "{name}" on request then\n'
            f'  rewrite request.headers["x-order"] = (request.headers["x-order"] ?? "") .. "{name}"\nend\n'
        )
    arguments = ("--rules", str(tmp_path / "b"), "--rules", str(tmp_path / "a"))
    with recording_upstream() as upstream, server_process(tmp_path, upstream.url, *arguments) as server:
        with RawClient(server.port) as client:
            client.ask(body=b"{}")
        assert upstream.requests[0].values(b"x-order") == [b"ba"]


def test_the_log_line(tmp_path: Path) -> None:
    """Which rules acted, whose session, and no credential, however it is sent."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "1.rules").write_text(RIGHT)
    headers = [
        b"Authorization: Bearer sk-secret-1",
        b"x-api-key: sk-secret-2",
        b"X-Claude-Code-Session-Id: session-7",
    ]
    with recording_upstream() as upstream, server_process(tmp_path, upstream.url) as server:
        with RawClient(server.port) as client:
            client.ask(b"/v1/messages?beta=true&api_key=sk-secret-3", b"{}", headers=headers)
        server.wait_for_log(rb"POST /v1/messages\?beta=true&api_key=\*\*\* 200 .* rules=mark session=session-7\n")
        assert b"sk-secret" not in server.log
