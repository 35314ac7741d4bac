"""Code from packages: a virtual environment for each set of requirements."""

from __future__ import annotations

import hashlib
import shutil
import site
import sys
from typing import TYPE_CHECKING

from towpath._work.fetching import run_program, turn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def installed(requirements: Sequence[str], folder: Path) -> tuple[Path, str]:
    """Installs requirements into an environment of their own, or finds them installed.

    Packages of the present environment, such as Towpath, are found there behind those required.

    Args:
        requirements: Lines of a requirements file; with hashes, all of them need some.
        folder: Where environments are kept.

    Returns:
        The interpreter of the environment, and the digest of the requirements.

    Raises:
        CodeError: They can't be installed.
    """
    text = "".join(f"{line}\n" for line in requirements)
    digest = hashlib.sha256(f"{sys.version}\0{sys.prefix}\0{text}".encode()).hexdigest()[:32]
    path = folder / digest
    ready = folder / f"{digest}.ready"
    with turn(path):
        if not ready.exists():
            shutil.rmtree(path, ignore_errors=True)  # One that was broken off.
            _build(path, text)
        ready.touch()
    return path / "bin" / "python", digest


def _build(path: Path, requirements: str) -> None:
    listed = path.with_name(f"{path.name}.txt")
    listed.write_text(requirements, encoding="utf-8")
    hashed = ["--require-hashes"] if "--hash" in requirements else []
    python = path / "bin" / "python"
    uv = shutil.which("uv")
    if uv is not None:
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(path)]
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        make = [sys.executable, "-m", "venv", str(path)]
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run_program(make, doing="making a virtual environment")
    command = [*install, *hashed, "-r", str(listed)]
    run_program(command, doing="installing the requirements")
    (_packages_of(python)).write_text(_present_packages(), encoding="utf-8")


def _packages_of(python: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python.parent.parent / "lib" / version / "site-packages" / "towpath_worker.pth"


def _present_packages() -> str:
    """Lines that add the present environment's packages behind those of another."""
    folders = [folder for folder in site.getsitepackages() if folder in sys.path]
    return "".join(f"import site; site.addsitedir({folder!r})\n" for folder in folders)
