"""Async code runs under asyncio; other libraries are refused before a run begins."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from towpath.exceptions import EventLoopError


def check_async_library(name: str) -> None:
    """Checks that asyncio runs this code.

    Args:
        name: What is about to be awaited, for the error.

    Raises:
        EventLoopError: Another library runs it, such as trio.
    """
    library = _library()
    if library == "asyncio":
        return
    raise EventLoopError(
        f"{name} is awaited under {library or 'no event loop of asyncio'}, and asyncio is what"
        " Towpath supports: run it by asyncio.run, or by anyio with the backend asyncio"
    )


def _library() -> str:
    """The library that runs this code; empty when it is unknown, and not asyncio."""
    sniffio: Any = sys.modules.get("sniffio")
    # By thread: the context variable of sniffio is copied to other threads, with all of a context.
    # Where trio is a guest of asyncio's loop, the thread has a loop of asyncio, too.
    here = getattr(getattr(sniffio, "thread_local", None), "name", None)
    if here is not None:
        return str(here)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ""
    return "asyncio"
