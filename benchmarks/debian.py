"""Programs that come from the distribution and not from a Python package."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence

from benchmarks.failure import BenchmarkFailed


def require(present: Callable[[], bool], packages: Sequence[str]) -> None:
    """Make sure that something is installed: install its packages where we may, else raise `BenchmarkFailed`."""
    if present():
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise BenchmarkFailed(f"not installed; on Debian as root: apt-get install {wanted}")
    print(f"installing {wanted}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], command):
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False, timeout=180)
        if done.returncode != 0:
            raise BenchmarkFailed(f"{' '.join(step)} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    if not present():
        raise BenchmarkFailed(f"{wanted} is installed and yet not to be found")
