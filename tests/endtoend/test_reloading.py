"""Rules edited while the server runs: what is under way keeps its rules, and no half of an edit is ever in force."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ruleproxy.proxy.reloading import REST_SECONDS
from support.events import text_of, types_of
from support.raw_client import RawClient
from support.recording_upstream import OK, RecordingUpstream, WaitFor, recording_upstream
from support.server_process import server_process
from support.watched import Watched, marking, watching

BROKEN = 'edition 1\n\nrule "mark" on request the\n  strip request.body\nend\n'


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture
def watched(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[Watched]:
    """Two files of rules, `old` in force."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "1.rules").write_text(marking("old"))
    (rules / "2.rules").write_text(marking("old", "x-two"))
    with watching(tmp_path, upstream) as watched:
        assert watched.marks() == (b"old", b"old")
        yield watched


def test_an_edit_in_mid_answer(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A faked stream under way ends as one and by the response rules it began with; the next request has the new."""
    rules = tmp_path / "rules"
    rules.mkdir()

    def text(value: str, stream: str) -> str:
        return marking(value) + (
            f'\nrule "stream" on request\nwhen request.wants_stream then\n  {stream}\nend\n'
            '\nrule "answer" on response\nwhen not response.streamed then\n'
            f'  rewrite response.headers["x-answer"] = "{value}"\n  rewrite response.body.model = "{value}"\nend\n'
        )

    message = b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}]}'
    released = threading.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(message)
    (rules / "1.rules").write_text(text("old", "fake_stream"))
    asked = b'{"model":"m","stream":true}'
    with watching(tmp_path, upstream) as watched, RawClient(watched.server.port) as client:
        upstream.answer = lambda _: (head + message[:20], WaitFor(released), message[20:])
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(asked), asked))
        upstream.wait_until(lambda seen: len(seen.requests) == 1)
        upstream.answer = lambda _: (head + message,)
        (rules / "1.rules").write_text(text("new", 'note "as it comes"'))
        watched.wait_for_marks(b"new")
        released.set()
        answer = client.read_answer()
        later = client.ask(body=asked)
    assert upstream.requests[0].values(b"x-one") == [b"old"]
    assert answer.values(b"x-answer") == [b"old"]
    assert types_of(answer.body)[0] == "message_start"
    assert text_of(answer.body) == "hi"
    assert b'"model":"old"' in answer.body
    assert later.values(b"x-answer") == [b"new"]
    assert later.values(b"content-type") == [b"application/json"]
    assert json.loads(later.body)["model"] == "new"


def test_an_edit_in_mid_stream(watched: Watched) -> None:
    """A live stream goes on to its end, byte for byte, while other rules come into force and a broken edit is made."""
    events = [b'event: ping\ndata: {"type":"ping","n":%d}\n\n' % number for number in range(3)]
    steps = [threading.Event(), threading.Event()]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(b"".join(events))
    watched.upstream.answer = lambda _: (
        head,
        events[0],
        WaitFor(steps[0]),
        events[1],
        WaitFor(steps[1]),
        events[2],
    )
    with RawClient(watched.server.port) as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        client.read_until(b"\r\n\r\n")
        assert client.read_bytes(len(events[0])) == events[0]
        watched.upstream.answer = lambda _: (OK,)
        (watched.rules / "1.rules").write_text(marking("new"))
        watched.wait_for_marks(b"new", b"old")
        steps[0].set()
        assert client.read_bytes(len(events[1])) == events[1]
        (watched.rules / "1.rules").write_text(BROKEN)
        watched.server.wait_for_log(rb"stay in force")
        steps[1].set()
        assert client.read_bytes(len(events[2])) == events[2]
        assert client.ask(body=b"{}").status == 200


def test_a_broken_edit(watched: Watched) -> None:
    """Says where and what in the log and in the status; the last good rules stay until the next good edit."""
    before = watched.status()["rules"]
    (watched.rules / "2.rules").write_text(BROKEN)
    watched.server.wait_for_log(rb"rules [0-9a-f]{7} stay in force")
    log = watched.server.log.decode()
    assert "error[RP1" in log
    assert "2.rules:3:" in log
    assert watched.marks() == (b"old", b"old")
    status = watched.status()
    assert status["rules"]["hash"] == before["hash"]
    assert status["rejected"]["errors"] >= 1
    assert status["rejected"]["diagnostics"][0]["code"].startswith("RP1")
    (watched.rules / "2.rules").write_text(marking("new", "x-two"))
    watched.wait_for_marks(b"old", b"new")
    status = watched.status()
    assert status["rejected"] is None
    assert status["rules"]["hash"] != before["hash"]
    assert status["rules"]["since"] > before["since"]
    assert status["rules"]["reloads"] == 1


def test_a_folder_is_all_or_nothing(watched: Watched) -> None:
    """One file right and one broken: neither is in force."""
    (watched.rules / "1.rules").write_text(marking("new"))
    (watched.rules / "2.rules").write_text(BROKEN)
    watched.server.wait_for_log(rb"stay in force")
    assert watched.marks() == (b"old", b"old")
    (watched.rules / "2.rules").write_text(marking("new", "x-two"))
    watched.wait_for_marks(b"new", b"new")


def test_going_back_to_what_was_in_force(watched: Watched) -> None:
    """Undoing a broken edit clears the rejection, although the rules are the same as before."""
    (watched.rules / "1.rules").write_text(BROKEN)
    watched.wait_until(lambda: watched.status()["rejected"] is not None, "the broken edit was never rejected")
    (watched.rules / "1.rules").write_text(marking("old"))
    watched.wait_until(lambda: watched.status()["rejected"] is None, "the rejection was never taken back")
    assert watched.marks() == (b"old", b"old")


def rename_over(rules: Path) -> None:
    for name, header in (("1.rules", "x-one"), ("2.rules", "x-two")):
        (rules / f".{name}.swp").write_text(marking("new", header))
        (rules / f".{name}.swp").rename(rules / name)


def write_in_halves(rules: Path) -> None:
    for name, header in (("1.rules", "x-one"), ("2.rules", "x-two")):
        text = marking("new", header)
        with (rules / name).open("w") as file:
            for piece in (text[:9], text[9:-4], text[-4:]):
                file.write(piece)
                file.flush()
                time.sleep(0.03)


def save_with_backup(rules: Path) -> None:
    for name, header in (("1.rules", "x-one"), ("2.rules", "x-two")):
        (rules / name).rename(rules / f"{name}~")
        (rules / name).write_text(marking("new", header))
        (rules / f"{name}~").unlink()


def write_in_place(rules: Path) -> None:
    for name, header in (("1.rules", "x-one"), ("2.rules", "x-two")):
        with (rules / name).open("r+") as file:
            file.write(marking("new", header))


def replace_folder(rules: Path) -> None:
    fresh = rules.parent / "fresh"
    fresh.mkdir()
    (fresh / "1.rules").write_text(marking("new"))
    (fresh / "2.rules").write_text(marking("new", "x-two"))
    rules.rename(rules.parent / "gone")
    fresh.rename(rules)


@pytest.mark.parametrize("edit", [rename_over, write_in_halves, save_with_backup, write_in_place, replace_folder])
def test_ways_to_write(watched: Watched, edit: Callable[[Path], None]) -> None:
    """However an editor saves, the new rules come into force, and never one file's without the other's."""
    edit(watched.rules)
    seen = {watched.marks()}
    deadline = time.monotonic() + 15
    while (b"new", b"new") not in seen and time.monotonic() < deadline:
        seen.add(watched.marks())
    assert seen <= {(b"old", b"old"), (b"new", b"new")}
    assert (b"new", b"new") in seen


def test_no_half_is_ever_in_force(watched: Watched) -> None:
    """Files written in halves that would each be right, over and over, while requests come without a break."""
    writing = threading.Event()
    writing.set()
    slow: set[bytes] = set()

    def write() -> None:
        # Longer than any bound on waiting for rest; each half comes sooner than a folder counts as at rest.
        for round_number in range(24):
            value = f"r{round_number}"
            with (watched.rules / "1.rules").open("w") as file:
                file.write(marking(value))
                file.flush()
                begun = time.monotonic()
                time.sleep(0.04)
                file.write(f'\nrule "rest" on request then\n  rewrite request.headers["x-two"] = "{value}"\nend\n')
            if time.monotonic() - begun > 0.8 * REST_SECONDS:
                # A machine that is busy elsewhere let a half rest so long that it may have been taken for whole.
                slow.add(value.encode())
            time.sleep(0.03)
        writing.clear()

    (watched.rules / "2.rules").unlink()
    watched.wait_for_marks(b"old")
    with (watched.rules / "1.rules").open("a") as file:
        file.write('\nrule "rest" on request then\n  rewrite request.headers["x-two"] = "old"\nend\n')
    watched.wait_for_marks(b"old", b"old")
    writer = threading.Thread(target=write)
    writer.start()
    seen: set[tuple[bytes, ...]] = set()
    while writing.is_set():
        seen.add(watched.marks())
    writer.join()
    halves = {marks for marks in seen if len(marks) != 2 or marks[0] != marks[1]}
    assert all(slow & set(marks) for marks in halves), (halves, slow)
    watched.wait_for_marks(b"r23", b"r23")


def test_files_come_and_go(watched: Watched) -> None:
    """A deleted file's rules are out of force, those of a new file and of a new folder in force."""
    (watched.rules / "2.rules").unlink()
    watched.wait_for_marks(b"old")
    (watched.rules / "team").mkdir()
    (watched.rules / "team" / "2.rules").write_text(marking("team", "x-two"))
    watched.wait_for_marks(b"old", b"team")
    (watched.rules / "team" / "2.rules").write_text(marking("again", "x-two"))
    watched.wait_for_marks(b"old", b"again")
    (watched.rules / "9.rules").write_text(marking("last").replace('rule "mark', 'rule "last mark'))
    watched.wait_for_marks(b"last", b"again")


def test_what_is_no_rules_file(watched: Watched) -> None:
    """Hidden files, editors' copies and other files are passed over, however broken."""
    reloads = watched.status()["rules"]["reloads"]
    for name in (".1.rules", "1.rules.tmp", "1.rules~", "notes.txt", "4913"):
        (watched.rules / name).write_text(BROKEN)
    (watched.rules / "1.rules").write_text(marking("new"))
    watched.wait_for_marks(b"new", b"old")
    assert watched.status()["rejected"] is None
    assert watched.status()["rules"]["files"] == 2
    assert watched.status()["rules"]["reloads"] == reloads + 1


def test_a_secret_after_a_reload(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Rules that come into force while the server runs hold the secrets of its environment, as the first ones did."""
    rules = tmp_path / "rules"
    rules.mkdir()

    def text(word: str) -> str:
        place = 'request.headers["x-one"]'
        return f'edition 1\n\nrule "mark" on request then\n  rewrite {place} = "{word} " .. secret("TOKEN")\nend\n'

    (rules / "1.rules").write_text(text("old"))
    with server_process(tmp_path, upstream.url, environment={"TOKEN": "made-up-token"}) as server:
        watched = Watched(server, upstream, rules)
        assert watched.marks() == (b"old made-up-token",)
        (rules / "1.rules").write_text(text("new"))
        watched.wait_until(lambda: watched.marks() != (b"old made-up-token",), "the new rules never came into force")
        assert watched.marks() == (b"new made-up-token",)
