"""The store of results that settings name."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from towpath._results.places import Folder
from towpath._results.store import StoredResults, Trust

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._results.places import Place
    from towpath._results.policy import Storage
    from towpath._settings.declared import Settings


_folder: Final[ContextVar[Path | None]] = ContextVar("towpath_results_folder", default=None)


@contextmanager
def use_results_folder(folder: Path) -> Generator[None]:
    """Keeps the results of this context in a folder, in place of where the settings say."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def store_of(settings: Settings, storage: Storage | None = None) -> StoredResults:
    """The store of results.

    Args:
        settings: Say where results lie: in a bucket, a folder, or the home.
        storage: A folder, an address or a file system to use instead.

    Raises:
        ConfigurationError: The bucket's address can't be used.
    """
    return StoredResults(_place_of(settings, storage), _trust(settings))


def _trust(settings: Settings) -> Trust:
    return Trust(signing_key=settings.results_signing_key, pickles=settings.results_trust_pickles)


def _place_of(settings: Settings, storage: Storage | None) -> Place:
    given = storage
    if given is None:
        given = _folder.get() or settings.results_url or settings.home / "results"
    if isinstance(given, Path):
        return Folder(given)
    if isinstance(given, str):
        if given.startswith("file:"):
            return Folder(Path(unquote(urlsplit(given).path)))
        from towpath._results.buckets import Bucket  # noqa: PLC0415 - most results are files

        return Bucket(given)
    from towpath._results.filesystems import place_of  # noqa: PLC0415 - few tasks name one

    return place_of(given)
