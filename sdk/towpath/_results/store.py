"""Stored results by key: what is known of a result, and its bytes, in one place.

A name has one line of JSON, which describes the result, and then the result's bytes. In a place
that other users can write to, a pickle is read only if it is signed, or trusted by a setting:
reading a pickle runs code that its writer chose.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from towpath._results.serializing import (
    content_type_of,
    deserialized,
    form_of,
    may_run_code,
    serialized,
)
from towpath.exceptions import ResultError

if TYPE_CHECKING:
    from towpath._results.places import Found, Place
    from towpath._results.policy import Serializer

_ADVICE: Final = (
    "set results.signing_key to a secret that all readers and writers share, or"
    ' results.trust_pickles if you trust all writers of that place, or use result_serializer="json"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """What is known of a stored result."""

    uri: str
    """Where it lies, such as a file: URI."""
    content_type: str
    size_bytes: int
    sha256: str
    """Of its bytes, hexadecimal."""
    run_id: str
    """The run that gave it."""
    expires: float | None
    """Seconds since the Unix epoch; None for never."""
    top_run_id: str = ""
    """The outermost run of the process that gave it."""
    attempt: int = 0
    """The attempt of that run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedResult:
    """A result as bytes, not stored yet."""

    key: str
    data: bytes
    stored: StoredResult
    """What is known of it once it is stored."""


Kept = Literal["here", "gone", "expired", "unreadable", "elsewhere"]
"""What is known of a stored result by its address: "elsewhere" is out of this machine's reach."""


def kept_at(uri: str, now: float) -> Kept:
    """Looks for a stored result, without reading its value.

    Args:
        uri: Its address.
        now: The time, seconds since the Unix epoch.
    """
    parts = urlsplit(uri)
    path = Path(url2pathname(parts.path))
    # A folder of results has a folder for each two digits of their names.
    if parts.scheme != "file" or not path.parent.parent.is_dir():
        return "elsewhere"
    try:
        with path.open("rb") as file:
            expires = json.loads(file.readline())["expires"]
    except FileNotFoundError:
        return "gone"
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"
    return "expired" if expires is not None and now >= expires else "here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is trusted of results in a place that others may write to."""

    signing_key: str = ""
    """Signs results; without it, none is signed, and with it, unsigned ones are not read."""
    pickles: bool = False
    """Whether pickles are read that are not signed."""


class StoredResults:
    """Results by key in a place."""

    def __init__(self, place: Place, trust: Trust | None = None) -> None:
        """Reads and writes nothing yet.

        Args:
            place: Where results lie.
            trust: What is trusted of them, if others may write there.
        """
        self._place = place
        self._key = (trust or Trust()).signing_key.encode() if place.shared else b""
        self._reads_pickles = bool(self._key) or not place.shared or (trust or Trust()).pickles

    def write(
        self,
        key: str,
        value: Any,
        *,
        run_id: str,
        serializer: Serializer,
        expires: float | None,
        now: float | None = None,
        top_run_id: str = "",
        attempt: int = 0,
    ) -> StoredResult:
        """Stores a result under a key.

        Args:
            key: The key.
            value: The result.
            run_id: The run that gave it.
            serializer: How it becomes bytes.
            expires: Until when it counts, seconds since the Unix epoch; None for no end.
            now: Time at which another result under the key counts, which then stays; None to
                replace it.
            top_run_id: The outermost run of this process.
            attempt: The attempt of that run.

        Returns:
            What is known of the result that lies there.

        Raises:
            ResultError: It can't be serialized, or is a pickle that readers refuse.
            OSError: The place doesn't take it.
        """
        prepared = self.prepare(
            key,
            value,
            run_id=run_id,
            serializer=serializer,
            expires=expires,
            top_run_id=top_run_id,
            attempt=attempt,
        )
        return self.put(prepared, now)

    def prepare(
        self,
        key: str,
        value: Any,
        *,
        run_id: str,
        serializer: Serializer,
        expires: float | None,
        top_run_id: str = "",
        attempt: int = 0,
    ) -> PreparedResult:
        """Serializes a result, which `put` stores; for the arguments see `write`.

        Raises:
            ResultError: It can't be serialized, or is a pickle that readers refuse.
        """
        form = form_of(serializer)
        if may_run_code(form) and not self._reads_pickles:
            raise ResultError(f"{_shown(form)} are not kept in {self._place.uri_of('')}: {_ADVICE}")
        data = serialized(value, serializer)
        name = _name_of(key)
        head: dict[str, Any] = {
            "key": key,
            "serializer": form,
            "run_id": run_id,
            "expires": expires,
            "top_run_id": top_run_id,
            "attempt": attempt,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        if self._key:
            head["signature"] = _signature(self._key, head)
        whole = json.dumps(head).encode() + b"\n" + data
        return PreparedResult(
            key=key, data=whole, stored=_stored(head, data, self._place.uri_of(name))
        )

    def put(self, prepared: PreparedResult, now: float | None) -> StoredResult:
        """Stores a result that is prepared.

        Args:
            prepared: The result.
            now: Time at which another result under the key counts, which then stays; None to
                replace it.

        Returns:
            What is known of the result that lies there.

        Raises:
            OSError: The place doesn't take it.
        """
        key, whole = prepared.key, prepared.data
        name = _name_of(key)
        if now is None:
            self._place.replace(name, whole)
        elif not self._place.create(name, whole):
            found = self._place.read(name)
            kept = self._counts(found, key, now)
            if kept is not None:
                return kept
            self._place.replace(name, whole, found.version if found else "")
        return prepared.stored

    def read(self, key: str, serializer: Serializer = "json") -> tuple[StoredResult, Any] | None:
        """What was stored under a key, and the value; None when there is nothing.

        Args:
            key: The key.
            serializer: Reads forms that not every reader knows.

        Raises:
            ResultError: It is there and can't be read back.
        """
        name = _name_of(key)
        uri = self._place.uri_of(name)
        try:
            found = self._place.read(name)
        except OSError as error:
            raise ResultError(f"the stored result {uri} can't be read: {error}") from error
        if found is None:
            return None
        try:
            head, data = self._checked(found, key)
            signed = bool(self._key) or not self._place.shared
            value = deserialized(data, head["serializer"], serializer, imports=signed)
        except Exception as error:
            raise ResultError(
                f"the stored result {uri} can't be read back ({error}); remove it, or run"
                " with refresh_cache=True to write it anew"
            ) from error
        return _stored(head, data, uri), value

    def sweep(self, now: float) -> tuple[int, int]:
        """Removes results that have expired.

        Args:
            now: Seconds since the Unix epoch.

        Returns:
            How many were removed, and how many are left.

        Raises:
            OSError: The place doesn't answer.
        """
        removed = left = 0
        for name in self._place.names():
            found = self._place.read(name)
            if found is None:
                continue
            expires = _head(found).get("expires")
            if isinstance(expires, int | float) and expires <= now:
                self._place.delete(name, found.version)
                removed += 1
            else:
                left += 1
        return removed, left

    def _counts(self, found: Found | None, key: str, now: float) -> StoredResult | None:
        """What is known of a result that stays, since it is whole and hasn't expired."""
        if found is None:
            return None
        try:
            head, data = self._checked(found, key)
        except Exception:  # noqa: BLE001 - others may have written it
            return None
        if head["expires"] is not None and head["expires"] <= now:
            return None
        return _stored(head, data, self._place.uri_of(_name_of(key)))

    def _checked(self, found: Found, key: str) -> tuple[dict[str, Any], bytes]:
        """A result's head and bytes.

        Raises:
            ValueError: They have changed, or can't be trusted.
        """
        line, _, data = found.data.partition(b"\n")
        head: dict[str, Any] = json.loads(line)
        if self._key:
            given = str(head.pop("signature", ""))
            if not hmac.compare_digest(given, _signature(self._key, head)):
                raise ValueError("it isn't signed with results.signing_key")
        if head["key"] != key:
            raise ValueError("it belongs to another key")
        if hashlib.sha256(data).hexdigest() != head["sha256"]:
            raise ValueError("its bytes have changed")
        if may_run_code(head["serializer"]) and not self._reads_pickles:
            raise ValueError(
                f"others may have written it, and reading {_shown(head['serializer'])} can run"
                f" code: {_ADVICE}"
            )
        return head, data


def _name_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _shown(form: str) -> str:
    is_pickle = form.removeprefix("compressed/") == "pickle"
    return "pickles" if is_pickle else f"results in the form {form!r}"


def _signature(key: bytes, head: dict[str, Any]) -> str:
    """Signs a head, and with it the bytes, whose digest it has."""
    signed = json.dumps(head, sort_keys=True).encode()
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def _head(found: Found) -> dict[str, Any]:
    with suppress(ValueError):
        head: Any = json.loads(found.data.partition(b"\n")[0])
        if isinstance(head, dict):
            return cast("dict[str, Any]", head)
    return {}


def _stored(head: dict[str, Any], data: bytes, uri: str) -> StoredResult:
    return StoredResult(
        uri=uri,
        content_type=content_type_of(head["serializer"]),
        size_bytes=len(data),
        sha256=head["sha256"],
        run_id=head["run_id"],
        expires=head["expires"],
        top_run_id=head.get("top_run_id", ""),
        attempt=head.get("attempt", 0),
    )
