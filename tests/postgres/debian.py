"""Programs from Debian packages, installed when they are missing."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

# Somebody else may be installing. apt-get waits for that only until it has the lists of packages,
# so workers of the tests take turns by a lock of their own.
_APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")


def program(name: str, package: str) -> str:
    """Path of a program; its package is installed if need be.

    Raises:
        RuntimeError: It is not there and can't be installed.
    """
    with (Path(tempfile.gettempdir()) / "towpath-tests-of-debian.lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        found = _find(name)
        if not found:
            _install(package)
            found = _find(name)
    if not found:
        raise RuntimeError(f"the Debian package {package} has no {name}")
    return found


def _install(package: str) -> None:
    installing = [*_APT, "install", "--no-install-recommends", package]
    for command in ([*_APT, "update"], installing):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"install the Debian package {package} as root: {done.stderr}")


def _find(name: str) -> str | None:
    places = [Path("/usr/sbin") / name, Path("/usr/bin") / name]
    return shutil.which(name) or next((str(path) for path in places if path.exists()), None)
