"""Who may know whom: every import runs down the floors of the house."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ruleproxy

PACKAGE = Path(ruleproxy.__file__).parent

# What each room may import of the others. Grounds know only themselves, but for what stands here.
MAY_IMPORT: dict[str, set[str]] = {
    "messages": set(),
    "language": {"resources"},
    "wire": {"messages"},
    "packs": set(),
    "captures": {"messages", "wire"},
    "verbs": {"messages", "language", "wire"},
    "functions": {"messages", "language", "wire"},
    "engine": {"verbs", "functions", "messages", "language", "wire", "packs", "captures", "resources"},
    "rehearsal": {"engine", "messages", "language", "wire", "captures"},
    "gateway": {"messages", "wire"},
    "proxy": {"engine", "rehearsal", "packs", "captures", "messages", "language", "wire"},
    "commands": {
        "proxy",
        "gateway",
        "rehearsal",
        "engine",
        "packs",
        "captures",
        "messages",
        "language",
        "wire",
        "resources",
    },
}
SOCKETS = {"quart", "hypercorn", "httpx", "aiohttp", "h11", "uvloop"}
MAY_USE_SOCKETS = {"proxy", "gateway", "commands"}

FILES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{file}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_run_down(file: Path) -> None:
    """A module imports its own room and rooms below it, and only three rooms know sockets."""
    parts = file.relative_to(PACKAGE).parts
    if len(parts) == 1:
        return
    room = parts[0]
    modules = imported_modules(file)
    rooms = {name.split(".")[1] for name in modules if name.startswith("ruleproxy.")}
    rooms = {name for name in rooms if name in MAY_IMPORT or name == "resources"}
    assert rooms - {room} <= MAY_IMPORT[room], f"{room} may not know {sorted(rooms - {room} - MAY_IMPORT[room])}"
    used = {name.split(".")[0] for name in modules} & SOCKETS
    assert not used or room in MAY_USE_SOCKETS, f"{room} has no sockets, but imports {sorted(used)}"


def test_every_room_is_known() -> None:
    """A new folder has to find its floor."""
    rooms = {file.relative_to(PACKAGE).parts[0] for file in FILES if len(file.relative_to(PACKAGE).parts) > 1}
    assert rooms == set(MAY_IMPORT)


def test_the_gateway_is_never_imported_by_the_proxy() -> None:
    """What the proxy is tried against is no part of it."""
    for file in (PACKAGE / "proxy").glob("*.py"):
        assert not any(name.startswith("ruleproxy.gateway") for name in imported_modules(file))
