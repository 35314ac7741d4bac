"""Where the interpreters come from: the PATH, or a Debian system that has them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.postgres.debian import program

ROOT: Final = Path(__file__).parents[2]
VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14")
SUITES: Final = {"3.13": "trixie", "3.14": "sid"}
"""Of Debian, by the version of Python that is theirs."""
_PACKAGES: Final = "ca-certificates,git,procps"
# Mounts are those of the command alone: they are gone with it, however it ends.
_ENTER: Final = """
set -e
system=$1 project=$2 scratch=$3
shift 3
for each in /proc /dev /dev/shm /sys /etc/ssl/certs "$project" "$scratch"; do
  mkdir -p "$system$each"
  mount --rbind "$each" "$system$each"
done
exec chroot "$system" sh -c 'cd "$0" && exec "$@"' "$project" "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python, and what a command line that uses it begins with."""

    version: str
    python: str
    within: tuple[str, ...] = ()
    """Enters the system that the interpreter is in; nothing for that of this process."""


def interpreter_for(version: str, scratch: Path) -> Interpreter | None:
    """Finds a version of Python on the PATH, or gets the Debian system that has it.

    Args:
        version: Such as "3.13".
        scratch: A folder for the system; the interpreter sees it under the same path.

    Returns:
        The interpreter; None where there is none, and this process can't get one.
    """
    python = _on_path(version)
    if python is not None:
        return Interpreter(version=version, python=python)
    if version in SUITES and os.geteuid() == 0:
        return _debian(version, scratch)
    return None


def _on_path(version: str) -> str | None:
    """The path of an interpreter that starts; the ones of version managers may refuse to."""
    for folder in os.get_exec_path():
        python = shutil.which(f"python{version}", path=folder)
        if python is not None and _version_of(python) == version:
            return python
    return None


def _version_of(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    asked = subprocess.run([python, "-c", code], check=False, capture_output=True, text=True)
    return asked.stdout.strip()


def _debian(version: str, scratch: Path) -> Interpreter:
    system = scratch / f"debian-{version}"
    name = f"python{version}"
    packages = f"--include={name},{name}-venv,{_PACKAGES}"
    command = [program("debootstrap", "debootstrap"), "--variant=minbase", packages]
    subprocess.run([*command, SUITES[version], str(system)], check=True)
    shutil.copy("/etc/resolv.conf", system / "etc" / "resolv.conf")
    # debootstrap doesn't ask how old a mirror's list is, and apt is to install from the same.
    options = system / "etc" / "apt" / "apt.conf.d" / "90-of-any-age"
    options.write_text('Acquire::Check-Valid-Until "false";\n')
    namespace = ("unshare", "--mount", "--propagation", "private")
    places = (str(system), str(ROOT), str(scratch))
    return Interpreter(
        version=version,
        python=f"/usr/bin/{name}",
        within=(*namespace, "sh", "-c", _ENTER, "sh", *places),
    )
