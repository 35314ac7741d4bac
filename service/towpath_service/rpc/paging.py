"""Pages of lists, read whole or page by page; used by the handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.core.tokens import make_token, read_number, read_place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

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
        caller: The caller; a token is valid only for its tenant.
        name: Identifies the list; tokens are bound to it.
        size: Most items to return; 0 for the default.
        token: Token of the page; empty for the first page.

    Raises:
        ServiceError: INVALID_PAGE_TOKEN.
    """
    question = (name, caller.tenant_id)
    start = read_number(token, question) if token else 0
    end = start + min(size or DEFAULT_SIZE, MOST)
    following = make_token(question, (end,)) if end < len(items) else ""
    return items[start:end], following


async def read_page(
    read: Callable[[tuple[str, ...], int], Awaitable[Sequence[Item]]],
    place_of: Callable[[Item], tuple[str, ...]],
    caller: Caller,
    name: str,
    *,
    parts: int = 1,
    size: int,
    token: str,
) -> tuple[Sequence[Item], str]:
    """A page of a list that is read page by page, and the token of the next one.

    Args:
        read: Reads a number of items after a place; the first ones for an empty place.
        place_of: Returns the place of an item in the list's order.
        caller: The caller; a token is valid only for its tenant.
        name: Identifies the list; tokens are bound to it.
        parts: Number of texts in a place.
        size: Most items to return; 0 for the default.
        token: Token of the page; empty for the first page.

    Raises:
        ServiceError: INVALID_PAGE_TOKEN.
    """
    question = (name, caller.tenant_id, f"after {parts}")
    after = tuple(map(str, read_place(token, question, *[str] * parts))) if token else ()
    most = min(size or DEFAULT_SIZE, MOST)
    found = await read(after, most + 1)
    following = make_token(question, place_of(found[most - 1])) if len(found) > most else ""
    return found[:most], following
