"""Finds programs below a path, moves each, and writes those that changed."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import libcst as cst

from towpath.cli.migration.rewriting import rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towpath.cli.migration.findings import Finding

_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
_SUFFIXES: Final = (".py", ".pyi", ".ipynb")
_NOTEBOOK: Final = ".ipynb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A file, and what became of it."""

    path: Path
    before: bytes = b""
    after: bytes = b""
    findings: tuple[Finding, ...] = ()
    error: str = ""
    """Why it couldn't be read; empty if it could."""

    @property
    def changed(self) -> bool:
        """Whether its content changes."""
        return self.before != self.after

    def diff(self) -> str:
        """Returns the change as a unified diff."""
        before, after = (_lines(each) for each in (self.before, self.after))
        name = self.path.as_posix()
        lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        )


def programs(paths: Sequence[Path]) -> Iterator[Path]:
    """Yields files of Python and notebooks, each once, in the order of their names.

    A path of a file is taken with any name. Folders are searched for .py, .pyi and .ipynb, except
    for hidden folders, virtual environments and links to folders.
    """
    seen: set[Path] = set()
    for path in paths:
        for file in _below(path) if path.is_dir() else [path]:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def move(path: Path) -> Moved:
    """Returns what becomes of a file; the file itself stays as it is."""
    try:
        before = path.read_bytes()
        if path.suffix == _NOTEBOOK:
            return Moved(path=path, error=_of_notebook(before))
        moved = rewrite(before)
    except cst.ParserSyntaxError as error:
        return Moved(path=path, error=f"line {error.raw_line}: it isn't Python: {error.message}")
    except UnicodeDecodeError as error:
        return Moved(path=path, error=f"its text isn't {error.encoding}: declare its encoding")
    except OSError as error:
        return Moved(path=path, error=error.strerror or str(error))
    except (LookupError, SyntaxError, ValueError) as error:
        return Moved(path=path, error=f"it isn't Python: {error}")
    except RecursionError:
        return Moved(path=path, error="its expressions are nested too deeply")
    return Moved(path=path, before=before, after=moved.source, findings=moved.findings)


def write(moved: Moved) -> None:
    """Replaces a file by what became of it, as a whole or not at all.

    Raises:
        OSError: It can't be written.
    """
    place = moved.path.resolve()
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(moved.after)
        shutil.copymode(place, name)
        Path(name).replace(place)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(each for each in folders if _is_looked_into(here / each))
        for name in sorted(names):
            if name.endswith(_SUFFIXES):
                yield here / name


def _is_looked_into(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in _SKIPPED
    return not hidden and not (folder / "pyvenv.cfg").exists()


def _of_notebook(content: bytes) -> str:
    return "notebooks aren't rewritten: change its imports" if b"prefect" in content else ""


def _lines(content: bytes) -> list[str]:
    # Lines end at \n alone, so that a form feed or a lone \r doesn't break one.
    text = content.decode("utf-8", "replace")
    return [f"{line}\n" for line in text.split("\n")[:-1]] + [
        line for line in [text.rpartition("\n")[2]] if line
    ]
