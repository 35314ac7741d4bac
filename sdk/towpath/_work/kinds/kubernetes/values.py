"""Looks into JSON values whose shape isn't known."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a value is a JSON array."""
    return isinstance(value, list)


def at(value: Any, *path: str) -> Any:
    """Returns what is at a path of keys; None where there is nothing."""
    for key in path:
        value = value.get(key) if is_object(value) else None
    return value


def object_at(value: Any, *path: str) -> dict[str, Any]:
    """Returns the object at a path of keys; an empty one where there is none."""
    found = at(value, *path)
    return found if is_object(found) else {}


def objects_at(value: Any, *path: str) -> list[dict[str, Any]]:
    """Returns the objects of the list at a path of keys; none where there is no list."""
    found = at(value, *path)
    return [item for item in found if is_object(item)] if is_list(found) else []
