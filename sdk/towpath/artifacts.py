"""Artifacts: what runs make for people to look at, with Prefect's names.

Each function reports at once, as a log line is reported, and waits for no server. Within an `async
def` it returns an awaitable. Its twin, with the same arguments, result and errors, always does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath._frames import called_by_coroutine
from towpath._prefect_names.refusals import refusing
from towpath._values import artifacts as kept

if TYPE_CHECKING:
    from uuid import UUID

    from towpath._values.artifacts import Table

__all__ = [
    "acreate_image_artifact",
    "acreate_link_artifact",
    "acreate_markdown_artifact",
    "acreate_progress_artifact",
    "acreate_table_artifact",
    "aupdate_progress_artifact",
    "create_image_artifact",
    "create_link_artifact",
    "create_markdown_artifact",
    "create_progress_artifact",
    "create_table_artifact",
    "update_progress_artifact",
]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)


def create_markdown_artifact(
    markdown: str, key: str | None = None, description: str | None = None
) -> Any:
    """Makes an artifact of Markdown; within an `async def`, returns an awaitable.

    Args:
        markdown: The text, at most 256 KiB.
        key: Key that its versions share: at most 255 of a-z, 0-9 and -; None for no versions.
        description: Its description, Markdown of at most 8,000 characters.

    Returns:
        The id of the artifact.

    Raises:
        ArtifactError: The key or the content can't be kept; the message says what to do.
        MissingContextError: The code runs outside of a flow or task.
    """
    if called_by_coroutine():
        return acreate_markdown_artifact(markdown, key, description)
    return _markdown_artifact(markdown, key, description)


async def acreate_markdown_artifact(
    markdown: str, key: str | None = None, description: str | None = None
) -> UUID:
    """Makes an artifact of Markdown: `create_markdown_artifact`."""
    return _markdown_artifact(markdown, key, description)


def create_table_artifact(
    table: Table, key: str | None = None, description: str | None = None
) -> Any:
    """Makes an artifact of a table; within an `async def`, returns an awaitable.

    Args:
        table: A list of dicts, a list of lists, or a dict of columns; at most 256 KiB as JSON. NaN
            and infinity become null, and what JSON lacks becomes a text.
        key: Key that its versions share: at most 255 of a-z, 0-9 and -; None for no versions.
        description: Its description, Markdown of at most 8,000 characters.

    Returns:
        The id of the artifact.

    Raises:
        ArtifactError: The key or the content can't be kept; the message says what to do.
        MissingContextError: The code runs outside of a flow or task.
    """
    if called_by_coroutine():
        return acreate_table_artifact(table, key, description)
    return _table_artifact(table, key, description)


async def acreate_table_artifact(
    table: Table, key: str | None = None, description: str | None = None
) -> UUID:
    """Makes an artifact of a table: `create_table_artifact`."""
    return _table_artifact(table, key, description)


def create_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> Any:
    """Makes an artifact that is a link; within an `async def`, returns an awaitable.

    Args:
        link: The address, at most 2,048 characters.
        link_text: The text of the link, at most 255 characters; None for the address.
        key: Key that its versions share: at most 255 of a-z, 0-9 and -; None for no versions.
        description: Its description, Markdown of at most 8,000 characters.

    Returns:
        The id of the artifact.

    Raises:
        ArtifactError: The key or the content can't be kept; the message says what to do.
        MissingContextError: The code runs outside of a flow or task.
    """
    if called_by_coroutine():
        return acreate_link_artifact(link, link_text, key, description)
    return _link_artifact(link, link_text, key, description)


async def acreate_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> UUID:
    """Makes an artifact that is a link: `create_link_artifact`."""
    return _link_artifact(link, link_text, key, description)


def create_image_artifact(
    image_url: str, key: str | None = None, description: str | None = None
) -> Any:
    """Makes an artifact that shows an image; within an `async def`, returns an awaitable.

    Args:
        image_url: The address of the image, at most 2,048 characters.
        key: Key that its versions share: at most 255 of a-z, 0-9 and -; None for no versions.
        description: Its description, Markdown of at most 8,000 characters.

    Returns:
        The id of the artifact.

    Raises:
        ArtifactError: The key or the content can't be kept; the message says what to do.
        MissingContextError: The code runs outside of a flow or task.
    """
    if called_by_coroutine():
        return acreate_image_artifact(image_url, key, description)
    return _image_artifact(image_url, key, description)


async def acreate_image_artifact(
    image_url: str, key: str | None = None, description: str | None = None
) -> UUID:
    """Makes an artifact that shows an image: `create_image_artifact`."""
    return _image_artifact(image_url, key, description)


def create_progress_artifact(
    progress: float, key: str | None = None, description: str | None = None
) -> Any:
    """Makes an artifact that shows progress; within an `async def`, returns an awaitable.

    Args:
        progress: From 0 to 100.
        key: Key that its versions share: at most 255 of a-z, 0-9 and -; None for no versions.
        description: Its description, Markdown of at most 8,000 characters.

    Returns:
        The id of the artifact.

    Raises:
        ArtifactError: The key or the content can't be kept; the message says what to do.
        MissingContextError: The code runs outside of a flow or task.
    """
    if called_by_coroutine():
        return acreate_progress_artifact(progress, key, description)
    return _progress_artifact(progress, key, description)


async def acreate_progress_artifact(
    progress: float, key: str | None = None, description: str | None = None
) -> UUID:
    """Makes an artifact that shows progress: `create_progress_artifact`."""
    return _progress_artifact(progress, key, description)


def update_progress_artifact(
    artifact_id: UUID, progress: float, description: str | None = None
) -> Any:
    """Changes the progress that an artifact shows; within an `async def`, returns an awaitable.

    Args:
        artifact_id: What `create_progress_artifact` has returned, in a run of the same tree.
        progress: From 0 to 100.
        description: Its new description; None to keep the present one.

    Returns:
        The id of the artifact.

    Raises:
        ArtifactError: The progress or the description can't be kept.
        MissingContextError: The code runs outside of a flow or task.
    """
    if called_by_coroutine():
        return aupdate_progress_artifact(artifact_id, progress, description)
    return _update_progress_artifact(artifact_id, progress, description)


async def aupdate_progress_artifact(
    artifact_id: UUID, progress: float, description: str | None = None
) -> UUID:
    """Changes the progress that an artifact shows: `update_progress_artifact`."""
    return _update_progress_artifact(artifact_id, progress, description)


def _markdown_artifact(markdown: str, key: str | None, description: str | None) -> UUID:
    return kept.report_artifact(
        kept.MARKDOWN,
        content=markdown,
        content_type="text/markdown",
        key=key,
        description=description,
    )


def _table_artifact(table: Table, key: str | None, description: str | None) -> UUID:
    return kept.report_artifact(
        kept.TABLE,
        content=kept.table_as_json(table),
        content_type="application/json",
        key=key,
        description=description,
    )


def _link_artifact(
    link: str, link_text: str | None, key: str | None, description: str | None
) -> UUID:
    return kept.report_artifact(
        kept.LINK, address=link, title=link_text, key=key, description=description
    )


def _image_artifact(image_url: str, key: str | None, description: str | None) -> UUID:
    return kept.report_artifact(kept.IMAGE, address=image_url, key=key, description=description)


def _progress_artifact(progress: float, key: str | None, description: str | None) -> UUID:
    return kept.report_artifact(
        kept.PROGRESS,
        content=kept.progress_as_json(progress),
        content_type="application/json",
        key=key,
        description=description,
    )


def _update_progress_artifact(artifact_id: UUID, progress: float, description: str | None) -> UUID:
    return kept.report_artifact(
        kept.PROGRESS,
        content=kept.progress_as_json(progress),
        content_type="application/json",
        artifact_id=artifact_id,
        description=description,
    )
