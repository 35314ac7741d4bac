"""The store of results that settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from towpath._results.places import Folder
from towpath._results.store import ResultStore, Trust

if TYPE_CHECKING:
    from towpath._settings.declared import Settings


def store_of(settings: Settings, folder: Path | None = None) -> ResultStore:
    """The store of results.

    Args:
        settings: Say where results lie: in a bucket, a folder, or the home.
        folder: A folder to use instead.

    Raises:
        ConfigurationError: The bucket's address can't be used.
    """
    url = settings.results_url
    if folder is not None or not url:
        return ResultStore(Folder(folder or settings.home / "results"))
    if url.startswith("file:"):
        return ResultStore(Folder(Path(unquote(urlsplit(url).path))))
    from towpath._results.buckets import Bucket  # noqa: PLC0415 - most results are files

    trust = Trust(signing_key=settings.results_signing_key, pickles=settings.results_trust_pickles)
    return ResultStore(Bucket(url), trust)
