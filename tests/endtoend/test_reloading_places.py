"""Wherever rules lie and whatever they use, an edit of it comes into force: links, single files, packs, tables."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ruleproxy.packs.lock import hash_files, write_lock
from ruleproxy.resources import PACKAGE, find_resource
from support.recording_upstream import RecordingUpstream, recording_upstream
from support.server_process import server_process
from support.watched import Watched, marking, watching


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


def switch(link: Path, target: str) -> None:
    """Let a link name another target, without a moment in which it is gone."""
    fresh = link.with_name(link.name + "_tmp")
    fresh.symlink_to(target)
    fresh.rename(link)


def test_a_mounted_folder_that_is_switched(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Files that are links through `..data`, which is switched from one state to the next as a whole."""
    rules = tmp_path / "rules"
    for value in ("old", "new"):
        state = rules / f"..{value}"
        state.mkdir(parents=True)
        (state / "1.rules").write_text(marking(value))
        (state / "2.rules").write_text(marking(value, "x-two"))
    (rules / "..data").symlink_to("..old")
    for name in ("1.rules", "2.rules"):
        (rules / name).symlink_to(f"..data/{name}")
    with watching(tmp_path, upstream) as watched:
        assert watched.marks() == (b"old", b"old")
        switch(rules / "..data", "..new")
        watched.wait_for_marks(b"new", b"new")
        assert {tuple(request.values(b"x-one") + request.values(b"x-two")) for request in upstream.requests} == {
            (b"old", b"old"),
            (b"new", b"new"),
        }


def test_a_rules_path_that_is_a_switched_link(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A deployed release: `rules` itself is the link; the folder behind it is watched before and after."""
    for value in ("old", "new"):
        (tmp_path / value).mkdir()
        (tmp_path / value / "1.rules").write_text(marking(value))
    (tmp_path / "rules").symlink_to("old")
    with watching(tmp_path, upstream) as watched:
        assert watched.marks() == (b"old",)
        switch(tmp_path / "rules", "new")
        watched.wait_for_marks(b"new")
        (tmp_path / "new" / "1.rules").write_text(marking("newer"))
        watched.wait_for_marks(b"newer")


def test_a_linked_subfolder(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Rules that a link brings in from elsewhere are watched where they are."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "1.rules").write_text(marking("old"))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "team").symlink_to(elsewhere)
    with watching(tmp_path, upstream) as watched:
        assert watched.marks() == (b"old",)
        (elsewhere / "1.rules").write_text(marking("new"))
        watched.wait_for_marks(b"new")


def test_rules_that_were_not_there_at_the_start(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """The default folder may come later."""
    with watching(tmp_path, upstream) as watched:
        watched.rules.rmdir()
        assert watched.marks() == ()
        watched.rules.mkdir()
        (watched.rules / "1.rules").write_text(marking("new"))
        watched.wait_for_marks(b"new")


def test_a_single_file(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """`--rules FILE` is watched like a folder, also where the file is replaced."""
    file = tmp_path / "only.rules"
    file.write_text(marking("old"))
    with watching(tmp_path, upstream, "--rules", str(file)) as watched:
        assert watched.marks() == (b"old",)
        file.write_text(marking("new"))
        watched.wait_for_marks(b"new")
        fresh = tmp_path / "fresh"
        fresh.write_text(marking("newer"))
        fresh.rename(file)
        watched.wait_for_marks(b"newer")


def test_a_pack_of_ones_own(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """An edit in a pack that the rules use, in the rules folder, is an edit of the rules; so is one of a default."""
    pack = tmp_path / "rules" / "packs" / "acme"
    pack.mkdir(parents=True)
    manifest = 'name = "acme/mark"\nversion = "1"\nedition = 1\ndescription = "marks"\n\n[parameters.value]\ndefault = '
    (pack / "pack.toml").write_text(manifest + '"old"\n')
    (pack / "1.rules").write_text(marking("old"))
    (tmp_path / "rules" / "1.rules").write_text('edition 1\n\nuse "acme/mark"\n')
    with watching(tmp_path, upstream) as watched:
        assert watched.marks() == (b"old",)
        (pack / "1.rules").write_text(marking("new").replace('"new"', 'parameters.value .. "er"'))
        watched.wait_for_marks(b"older")
        (pack / "pack.toml").write_text(manifest + '"new"\n')
        watched.wait_for_marks(b"newer")


def test_a_table_alone(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """An edit of a table that rules read is an edit of the rules, although no text of theirs has changed."""
    table = tmp_path / "rules" / "names" / "corporate.json"
    table.parent.mkdir(parents=True)
    table.write_text('{"mark": "old"}')
    (tmp_path / "rules" / "1.rules").write_text(
        'edition 1\n\nlocal names = table("names/corporate.json")\n\n'
        'rule "mark" on request then\n  rewrite request.headers["x-one"] = names["mark"]\nend\n'
    )
    with watching(tmp_path, upstream) as watched:
        assert watched.marks() == (b"old",)
        before = watched.status()["rules"]
        table.write_text('{"mark": "new"}')
        watched.wait_for_marks(b"new")
        table.write_text('{"mark": ')
        watched.server.wait_for_log(rb"is not JSON[\s\S]*stay in force")
        assert watched.marks() == (b"new",)
        table.write_text('{"mark": "newer"}')
        watched.wait_for_marks(b"newer")
        assert watched.status()["rules"]["hash"] != before["hash"]


def test_what_a_single_file_reads_beside_it(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """The pack that it uses and the table that it reads are watched as well, although only the file was named."""
    pack = tmp_path / "own" / "mark"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_text('name = "acme/mark"\nversion = "1"\nedition = 1\ndescription = "d"\n')
    (pack / "1.rules").write_text(marking("old"))
    (tmp_path / "own" / "names.json").write_text('{"mark": "old"}')
    file = tmp_path / "own" / "only.rules"
    file.write_text(
        'edition 1\n\nlocal names = table("names.json")\n\nuse "acme/mark"\n\n'
        'rule "table" on request then\n  rewrite request.headers["x-two"] = names["mark"]\nend\n'
    )
    with watching(tmp_path, upstream, "--rules", str(file)) as watched:
        assert watched.marks() == (b"old", b"old")
        (pack / "1.rules").write_text(marking("new"))
        watched.wait_for_marks(b"new", b"old")
        (tmp_path / "own" / "names.json").write_text('{"mark": "new"}')
        watched.wait_for_marks(b"new", b"new")


def test_a_shipped_pack_that_changes(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Rules that use a pack of the installation follow it: after an update they are those of the new one."""
    installed = tmp_path / "installed"
    shutil.copytree(PACKAGE, installed / "ruleproxy", ignore=shutil.ignore_patterns("__pycache__"))
    data = installed / "ruleproxy" / "data"
    data.mkdir(exist_ok=True)
    shutil.copy(find_resource("rules.lark", "grammar/rules.lark"), data / "rules.lark")
    pack = data / "packs" / "mark"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_text('name = "ruleproxy/mark"\nversion = "1"\nedition = 1\ndescription = "d"\n')
    (pack / "1.rules").write_text(marking("old"))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "1.rules").write_text('edition 1\n\nuse "ruleproxy/mark"\n')
    with server_process(tmp_path, upstream.url, environment={"PYTHONPATH": str(installed)}) as server:
        watched = Watched(server, upstream, tmp_path / "rules")
        assert watched.marks() == (b"old",)
        (pack / "1.rules").write_text(marking("new"))
        watched.wait_for_marks(b"new")


def test_a_locked_pack(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """An edit of it is not taken before it is locked again, and then at once."""
    pack = tmp_path / "rules" / "mark"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_text('name = "acme/mark"\nversion = "1"\nedition = 1\ndescription = "d"\n')
    (pack / "1.rules").write_text(marking("old"))
    (pack / "pack.lock").write_text(write_lock(hash_files(pack)))
    (tmp_path / "rules" / "1.rules").write_text('edition 1\n\nuse "acme/mark"\n')
    with watching(tmp_path, upstream) as watched:
        (pack / "1.rules").write_text(marking("new"))
        watched.server.wait_for_log(
            rb"RP901[\s\S]*1\.rules: the checksum is not the one in pack\.lock[\s\S]*stay in force"
        )
        assert watched.marks() == (b"old",)
        (pack / "pack.lock").write_text(write_lock(hash_files(pack)))
        watched.wait_for_marks(b"new")
