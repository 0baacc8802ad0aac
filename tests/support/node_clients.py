"""The SDKs for Node, installed once into a cache of the user's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).with_name("node")


def node_folder() -> Path:
    """A folder with the script and its packages. Skips the test where there is no Node, no npm, or no registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node or npm is not installed")
    digest = hashlib.sha256((FOLDER / "package.json").read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ruleproxy-tests"
    ready = cache / f"node-{digest}"
    if not ready.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=cache))
        shutil.copy(FOLDER / "package.json", making)
        install(making)
        try:
            making.rename(ready)
        except OSError:  # another process was faster
            shutil.rmtree(making)
    # Modules are looked for beside the script.
    shutil.copy(FOLDER / "ask.mjs", ready / "ask.mjs")
    return ready


def install(folder: Path) -> None:
    """Install the packages; skips the test where that cannot be done."""
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
        reason = done.stderr.strip()[-300:] if done.returncode else ""
    except subprocess.TimeoutExpired:
        reason = "it took longer than three minutes"
    if reason:
        shutil.rmtree(folder)
        pytest.skip(f"npm could not install the SDKs: {reason}")


def ask_node(folder: Path, kind: str, url: str, way: str, text: str) -> Any:
    """What the client of this kind made of the answer."""
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        ["node", "ask.mjs", kind, url, way, text],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
