"""The job of a run, worked out from its pool, its deployment and itself; used for grants.

The job template of the pool is a JSON object. The overrides of the deployment, then those of the
run, are merged into it as JSON merge patches (RFC 7396): an object is merged key by key, null
removes a key, and any other value replaces what is there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable


def merged_template(template: str, overrides: Iterable[str]) -> str:
    """A job template with overrides merged in, in order.

    Args:
        template: A JSON object; empty for one without keys.
        overrides: JSON objects; empty ones change nothing.

    Raises:
        ValueError: A text is no JSON object.
    """
    merged = _object(template)
    for override in overrides:
        merged = merge(merged, _object(override))
    return json.dumps(merged, separators=(",", ":"))


def merge(target: Any, patch: Any) -> Any:
    """The JSON value that a merge patch makes of another one; both stay as they are."""
    if not isinstance(patch, dict):
        return patch
    changes = cast("dict[str, Any]", patch)
    merged = dict(cast("dict[str, Any]", target)) if isinstance(target, dict) else {}
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is needed, not {type(value).__name__}")  # noqa: TRY004 - as json.loads
    return cast("dict[str, Any]", value)
