"""Results as bytes that give them back."""

from __future__ import annotations

import pickle
import zlib
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import class_of
from towpath._results import encoding, naming
from towpath._results.comparing import difference
from towpath._results.scalars import NotEncodableError
from towpath.exceptions import ResultError

if TYPE_CHECKING:
    from towpath._results.policy import Serializer

_COMPRESSED: Final = "compressed/"


def is_pickle(serializer: str) -> bool:
    """Whether reading what a serializer wrote can run any code."""
    return serializer.removeprefix(_COMPRESSED) == "pickle"


def serialized(value: Any, serializer: Serializer) -> bytes:
    """A result as bytes that give it back: they are read once before they are kept."""
    data = _plain(value, serializer.removeprefix(_COMPRESSED))
    return zlib.compress(data) if serializer.startswith(_COMPRESSED) else data


def _plain(value: Any, serializer: str) -> bytes:
    if serializer == "json":
        try:
            return _as_json(value)
        except NotEncodableError as error:
            raise ResultError(
                f"the result can't be stored as JSON: {error}. Return plain values, set"
                ' result_serializer="pickle", or don\'t persist it (persist_result=False)'
            ) from error
    try:
        data = pickle.dumps(value)
        back = pickle.loads(data)  # noqa: S301 - these bytes are our own
    except Exception as error:
        raise ResultError(
            f"the result can't be pickled and read back: {error}. Return plain values, or don't"
            " persist it (persist_result=False)"
        ) from error
    if type(back) is not type(value):
        raise ResultError(
            f"the result is a {naming.shown_name(class_of(value))}, and comes back from its pickle"
            f" as a {naming.shown_name(class_of(back))}. Return plain values, or don't persist it"
            " (persist_result=False)"
        )
    return data


def _as_json(value: Any) -> bytes:
    data = encoding.dumps(value)
    try:
        where = difference(value, encoding.loads(data))
    except Exception as error:
        raise NotEncodableError(f"can't be read back: {error}") from error
    if where is not None:
        raise NotEncodableError("would come back as something else", where)
    return data


def deserialized(data: bytes, serializer: str, *, imports: bool) -> Any:
    """A result from its bytes, which are known to be trusted if they are a pickle.

    Args:
        data: The bytes.
        serializer: What wrote them.
        imports: Whether classes of modules may be named that this process hasn't imported.
    """
    if serializer.startswith(_COMPRESSED):
        data, serializer = zlib.decompress(data), serializer.removeprefix(_COMPRESSED)
    if serializer == "json":
        with naming.imports_allowed(allowed=imports):
            return encoding.loads(data)
    return pickle.loads(data)  # noqa: S301 - the caller trusts them
