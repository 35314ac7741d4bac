"""What is made once in a run of tests, however many workers of pytest-xdist share it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import pytest


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Holds a lock that one worker has at a time."""
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker fills; the others wait for it.

    Args:
        factory: pytest's.
        name: Of the folder; one for each thing that is made.
        make: Fills the folder, which is there and empty.
    """
    place = shared_folder(factory)
    folder, done = place / name, place / f"{name}.made"
    with locked(place / f"{name}.lock"):
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
