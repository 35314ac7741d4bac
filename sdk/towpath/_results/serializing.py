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
    from towpath._results.serializers import Serializer as SerializerObject

_COMPRESSED: Final = "compressed/"
_TYPES: Final = {
    "json": "application/json",
    "pickle": "application/x-python-pickle",
    "compressed/json": "application/zlib",
    "compressed/pickle": "application/zlib",
}


def form_of(serializer: Serializer) -> str:
    """The name of what a serializer writes, which is kept with it."""
    if isinstance(serializer, str):
        return serializer
    from towpath._results.serializers import name_of  # noqa: PLC0415 - it is loaded by now

    return name_of(serializer)


def content_type_of(form: str) -> str:
    """The media type of a form."""
    return _TYPES.get(form, "application/octet-stream")


def may_run_code(form: str) -> bool:
    """Whether reading a form may run code that its writer chose."""
    return form.rpartition("/")[2] != "json" or "own:" in form


def serialized(value: Any, serializer: Serializer) -> bytes:
    """A result as bytes that give it back: they are read once before they are kept.

    Raises:
        ResultError: They don't give it back.
    """
    if not isinstance(serializer, str):
        return _by_object(value, serializer)
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


def _by_object(value: Any, serializer: SerializerObject) -> bytes:
    name = type(serializer).__name__
    try:
        data: Any = serializer.dumps(value)
        if not isinstance(data, bytes):
            raise TypeError(f"dumps returned a {type(data).__name__}, not bytes")  # noqa: TRY301
        where = _known_difference(value, serializer.loads(data))
    except Exception as error:
        raise ResultError(
            f"{name} can't write the result and read it back: {error}. Return other values, set"
            " another result_serializer, or don't persist it (persist_result=False)"
        ) from error
    if where is not None:
        place = f"its part {where}" if where else "it"
        raise ResultError(
            f"the result doesn't come back from {name} as it was: {place} would be something else."
            " Return other values, set another result_serializer, or don't persist it"
            " (persist_result=False)"
        )
    return data


def _known_difference(value: Any, back: Any) -> str | None:
    """The first difference; of classes alone where nothing is known of a class."""
    if class_of(value) is not class_of(back):
        return ""
    try:
        encoding.dumps(value)
    except NotEncodableError:
        return None
    return difference(value, back)


def _as_json(value: Any) -> bytes:
    data = encoding.dumps(value)
    try:
        where = difference(value, encoding.loads(data))
    except Exception as error:
        raise NotEncodableError(f"can't be read back: {error}") from error
    if where is not None:
        raise NotEncodableError("would come back as something else", where)
    return data


def deserialized(data: bytes, form: str, serializer: Serializer, *, imports: bool) -> Any:
    """A result from its bytes, which are known to be trusted if reading them may run code.

    Args:
        data: The bytes.
        form: Their form.
        serializer: The reader's serializer, which reads forms that not every reader knows.
        imports: Whether classes of modules may be named that this process hasn't imported.

    Raises:
        ValueError: They have a form that the serializer doesn't read.
    """
    if form not in _TYPES:
        if isinstance(serializer, str) or form_of(serializer) != form:
            raise ValueError(f"it was written as {form!r}, and is read as {form_of(serializer)!r}")
        with naming.imports_allowed(allowed=imports):
            return serializer.loads(data)
    return _known(data, form, imports=imports)


def _known(data: bytes, serializer: str, *, imports: bool) -> Any:
    if serializer.startswith(_COMPRESSED):
        data, serializer = zlib.decompress(data), serializer.removeprefix(_COMPRESSED)
    if serializer == "json":
        with naming.imports_allowed(allowed=imports):
            return encoding.loads(data)
    return pickle.loads(data)  # noqa: S301 - the caller trusts them
