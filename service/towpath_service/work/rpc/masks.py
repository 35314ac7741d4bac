"""Field masks of updates; used by the handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.core.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.field_mask_pb2 import FieldMask


def chosen(
    mask: FieldMask, fields: Mapping[str, str], *, but: tuple[str, ...] = ()
) -> frozenset[str]:
    """The attributes that an update changes.

    Args:
        mask: The mask; an empty one names all fields.
        fields: Attributes by the field of the contract that names them.
        but: Attributes that an empty mask leaves out.

    Raises:
        ServiceError: INVALID_REQUEST: the mask names a field that can't be changed.
    """
    if not mask.paths:
        return frozenset(fields.values()) - frozenset(but)
    unknown = sorted(set(mask.paths) - fields.keys())
    if unknown:
        known = ", ".join(fields)
        raise invalid("update_mask", f"{unknown[0][:63]!r} can't be changed; these can: {known}")
    return frozenset(fields[path] for path in mask.paths)
