"""Frames of callers: functions with one name for sync and async code ask who calls them."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_NO_COROUTINES: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_COROUTINE: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def called_by_coroutine() -> bool:
    """Whether an `async def`, or a comprehension in one, called the function that calls this."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented
    while frame is not None and frame.f_code.co_name in _NO_COROUTINES:
        if frame.f_code.co_flags & _COROUTINE:
            return True
        frame = frame.f_back
    return frame is not None and bool(frame.f_code.co_flags & _COROUTINE)
