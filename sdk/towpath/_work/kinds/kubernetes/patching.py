"""Changes of a Job: a part of one that is laid over it, and JSON patches."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeGuard

from towpath._work.kinds.kubernetes.values import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = "name"


class PatchError(ValueError):
    """A patch doesn't fit the object; the message names it and says why."""


def overlaid(target: Any, part: Any) -> Any:
    """Returns an object with a part of one laid over it; both stay as they are.

    Objects are merged key by key, null removes a key, and lists of named objects, such as
    containers and volumes, are merged name by name. Anything else is replaced.

    Args:
        target: The object.
        part: What is laid over it.
    """
    if is_object(target) and is_object(part):
        merged = dict(target)
        for key, value in part.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = overlaid(merged.get(key), value)
        return merged
    if _is_named(target) and _is_named(part):
        named = {item[_NAME]: item for item in target}
        for item in part:
            named[item[_NAME]] = overlaid(named.get(item[_NAME]), item)
        return list(named.values())
    return copy.deepcopy(part)


def patched(target: Any, patches: Sequence[Mapping[str, Any]]) -> Any:
    """Returns an object with JSON patches (RFC 6902) applied in order: add, remove, replace, test.

    Args:
        target: The object; it stays as it is.
        patches: The operations, with `op`, `path` and `value`.

    Raises:
        PatchError: An operation is none, or there is nothing at its path.
    """
    changed = copy.deepcopy(target)
    for number, patch in enumerate(patches):
        try:
            _apply(changed, patch)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, PatchError) else "there is nothing at the path"
            raise PatchError(
                f"patches[{number}], {patch.get('op')} {patch.get('path')!r}: {why}"
            ) from error
    return changed


def _is_named(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a value is a list of objects with names."""
    return (
        is_list(value) and bool(value) and all(is_object(item) and _NAME in item for item in value)
    )


def _apply(target: Any, patch: Mapping[str, Any]) -> None:
    path = patch.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise PatchError("its path must begin with /")
    *places, last = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    holder: Any = target
    for place in places:
        holder = holder[int(place)] if is_list(holder) else holder[place]
    key: Any = _index(len(holder), last) if is_list(holder) else last
    match patch.get("op"):
        case "add" if is_list(holder):
            holder.insert(key, copy.deepcopy(patch["value"]))
        case "add":
            holder[key] = copy.deepcopy(patch["value"])
        case "replace":
            _ = holder[key]  # It has to be there.
            holder[key] = copy.deepcopy(patch["value"])
        case "remove":
            del holder[key]
        case "test":
            if holder[key] != patch["value"]:
                raise PatchError(f"it is {holder[key]!r}")
        case _:
            raise PatchError("its op must be add, remove, replace or test")


def _index(length: int, place: str) -> int:
    index = length if place == "-" else int(place)
    if not 0 <= index <= length:
        raise IndexError(place)
    return index
