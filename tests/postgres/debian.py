"""Programs from Debian packages, installed when they are missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

# Another process may be installing, as another worker of the tests.
_APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")


def program(name: str, package: str) -> str:
    """Path of a program; its package is installed if need be.

    Raises:
        RuntimeError: It is not there and can't be installed.
    """
    found = _find(name)
    if found:
        return found
    installing = [*_APT, "install", "--no-install-recommends", package]
    for command in ([*_APT, "update"], installing):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"install the Debian package {package} as root: {done.stderr}")
    found = _find(name)
    if not found:
        raise RuntimeError(f"the Debian package {package} has no {name}")
    return found


def _find(name: str) -> str | None:
    places = [Path("/usr/sbin") / name, Path("/usr/bin") / name]
    return shutil.which(name) or next((str(path) for path in places if path.exists()), None)
