"""Artifacts: what runs make for people to look at."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import uuid_utils

from towpath._delivery.reports import ArtifactReport, Content
from towpath._runs.context import current_run
from towpath.exceptions import ArtifactError, MissingContextError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath._redaction.live import LiveSecrets
    from towpath._runs.context import RunContext

    Table = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]

MARKDOWN: Final = 1
TABLE: Final = 2
LINK: Final = 3
IMAGE: Final = 4
PROGRESS: Final = 5

MOST_BYTES: Final = 262_144
"""Largest content: bytes."""
MOST_ADDRESS: Final = 2048
"""Longest address: characters."""
MOST_DESCRIPTION: Final = 8000
MOST_TITLE: Final = 255
_WHOLE: Final = 100.0
_KEY: Final = re.compile(r"[a-z0-9-]{0,255}")


def report_artifact(
    kind: int,
    *,
    content: str = "",
    content_type: str = "",
    address: str = "",
    artifact_id: UUID | None = None,
    key: str | None = None,
    title: str | None = None,
    description: str | None = None,
) -> UUID:
    """Reports an artifact of the current run, and returns its id.

    Args:
        kind: One of the kinds above.
        content: Its content.
        content_type: Media type of the content.
        address: Where its content is, in place of `content`.
        artifact_id: Id of the artifact whose content is replaced; None for a new one.
        key: Key that its versions share.
        title: Its title.
        description: Its description, Markdown.

    Raises:
        ArtifactError: Its key, its content or a text is refused.
        MissingContextError: The code runs outside of a flow or task.
    """
    run = _current()
    made = ArtifactReport(
        run_id=run.run_id,
        artifact_id=str(artifact_id or uuid_utils.uuid7()),
        kind=kind,
        time=run.clock.time(),
        content=_content(run.secrets, content, content_type, address),
        key=_checked_key(key),
        title=_short(run.secrets, "title", title, MOST_TITLE),
        description=_short(run.secrets, "description", description, MOST_DESCRIPTION),
    )
    run.reporter.artifact(made)
    return UUID(made.artifact_id)


def table_as_json(table: Table) -> str:
    """Returns a table as JSON: numbers that JSON lacks are null, other values are texts.

    Raises:
        ArtifactError: It is no table.
    """
    given: Any = table
    if not isinstance(given, dict | list | tuple):
        raise ArtifactError(
            f"a table is a list of dicts, a list of lists, or a dict of columns, not {given!r:.80}"
        )
    try:
        return json.dumps(_without_nan(given), default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"the table can't be written as JSON: {error}") from None


def progress_as_json(progress: float) -> str:
    """Returns a progress as JSON; raises ArtifactError unless it is from 0 to 100."""
    if not 0 <= progress <= _WHOLE:
        raise ArtifactError(f"progress is a number from 0 to 100, not {progress!r}")
    return json.dumps(float(progress))


def _current() -> RunContext:
    run = current_run.get()
    if run is None:
        raise MissingContextError(
            "artifacts belong to runs: make them within a flow or a task, or write a file"
        )
    return run


def _content(secrets: LiveSecrets, content: str, content_type: str, address: str) -> Content:
    if address:
        shown = secrets.text(address)
        if len(shown) > MOST_ADDRESS:
            raise ArtifactError(
                f"the address has {len(shown)} characters, and at most {MOST_ADDRESS} are kept:"
                " store the content where a shorter address leads to it"
            )
        return Content(uri=shown, content_type="text/uri-list")
    data = secrets.text(content).encode()
    if len(data) > MOST_BYTES:
        raise ArtifactError(
            f"the artifact has {len(data)} bytes, and at most {MOST_BYTES} are kept: store it in a"
            " file, and make a link to it with create_link_artifact()"
        )
    return Content(data=data, content_type=content_type, size_bytes=len(data))


def _checked_key(key: str | None) -> str:
    if key and not _KEY.fullmatch(key):
        raise ArtifactError(
            f"{key!r} can't be the key of an artifact: keys have at most 255 of a-z, 0-9 and -"
        )
    return key or ""


def _short(secrets: LiveSecrets, name: str, text: str | None, most: int) -> str:
    shown = secrets.text(text or "")
    if len(shown) > most:
        raise ArtifactError(
            f"the {name} of the artifact has {len(shown)} characters, and at most {most} are kept:"
            " make the text an artifact of its own with create_markdown_artifact()"
        )
    return shown


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        named: dict[Any, Any] = {**value}
        return {str(name): _without_nan(each) for name, each in named.items()}
    if isinstance(value, list | tuple):
        held: list[Any] = [*value]
        return [_without_nan(each) for each in held]
    return value
