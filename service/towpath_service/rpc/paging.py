"""Pages of lists that are short enough to be read whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.domain.tokens import make_token, read_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_auth import Caller

Item = TypeVar("Item")

DEFAULT_SIZE: Final = 50
MOST: Final = 500


def page_of(
    items: Sequence[Item], caller: Caller, name: str, *, size: int, token: str
) -> tuple[Sequence[Item], str]:
    """A page of a list, and the token of the next one.

    Args:
        items: All of the list, in its order.
        caller: Who asks: a token is of no use to another tenant.
        name: What the list is of, and for.
        size: Most to give; 0 for the default.
        token: Where to go on; empty for the beginning.

    Raises:
        ServiceError: INVALID_PAGE_TOKEN.
    """
    question = (name, caller.tenant_id)
    start = read_number(token, question) if token else 0
    end = start + min(size or DEFAULT_SIZE, MOST)
    following = make_token(question, (end,)) if end < len(items) else ""
    return items[start:end], following
