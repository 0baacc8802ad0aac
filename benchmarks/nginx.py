"""nginx with LuaJIT and cjson, in a folder of its own, never the system's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from benchmarks.debian import require
from benchmarks.failure import BenchmarkFailed
from benchmarks.processes import Server, find_free_port, run_server

_PACKAGES = ("nginx", "libnginx-mod-http-lua", "lua-cjson")
_PEERS = Path(__file__).with_name("peers")
_MODULES = Path("/usr/share/nginx/modules")
_MODULE_NAMES = ("ndk_http_module.so", "ngx_http_lua_module.so")
# A machine with this file keeps packages from starting services, as images of containers do.
_SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")


def require_nginx() -> None:
    """Make sure that there is nginx with Lua and cjson. Raises `BenchmarkFailed`.

    Installs it only where the package does not start a server of its own.
    """
    if not _is_present() and not _SERVICE_POLICY.exists():
        raise BenchmarkFailed(f"not installed; on Debian as root: apt-get install {' '.join(_PACKAGES)}")
    require(_is_present, _PACKAGES)


def _is_present() -> bool:
    modules = all((_MODULES / name).exists() for name in _MODULE_NAMES)
    return _find_program() is not None and modules and _find_cjson() is not None


def _find_program() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _find_cjson() -> Path | None:
    return next(Path("/usr/lib").glob("*/lua/5.1/cjson.so"), None)


@contextmanager
def run_nginx(folder: Path, upstream: Server, *, rules: bool) -> Iterator[Server]:
    """nginx as a proxy until the block ends; with `rules`, it applies the reference rules."""
    folder.mkdir(parents=True)
    program, cjson = _find_program(), _find_cjson()
    assert program is not None
    assert cjson is not None
    port = find_free_port()
    edit = 'access_by_lua_block { require("rules_by_hand")() }' if rules else ""
    filled = Template((_PEERS / "nginx.conf").read_text()).substitute(
        modules="\n".join(f"load_module {_MODULES / name};" for name in _MODULE_NAMES),
        lua_cpath=cjson.parent / "?.so",
        lua_path=_PEERS / "?.lua",
        upstream_port=upstream.port,
        port=port,
        edit=edit,
    )
    (folder / "nginx.conf").write_text(filled)
    command = [program, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
    with run_server(command, folder, port=port) as server:
        yield server
