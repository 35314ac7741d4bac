"""Streams end when nobody reads them: what is told to no one holds no watch open.

A transport that can't get rid of an answer doesn't ask for the next one. The next one waits for so
long; then the stream is closed behind it, and ends with SLOW_CONSUMER once its consumer has read
what was on its way.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SLOW_CONSUMER_SECONDS: Final = 60.0
"""How long an answer waits for its consumer to take the one before it."""

Answer = TypeVar("Answer")


async def while_read(
    answers: AsyncGenerator[Answer, None], seconds: float
) -> AsyncGenerator[Answer, None]:
    """The answers of a stream, for as long as they are taken.

    Args:
        answers: The stream; it is closed in any case.
        seconds: Longest that an answer waits.

    Raises:
        ServiceError: SLOW_CONSUMER, after the last answer that was taken in time.
    """
    ready: asyncio.Queue[Answer | _End] = asyncio.Queue()
    taken = asyncio.Semaphore(1)
    pumping = asyncio.create_task(_pump(answers, ready, taken, seconds))
    try:
        while not isinstance(answer := await ready.get(), _End):
            yield answer
            taken.release()
        if answer.error is not None:
            raise answer.error
    finally:
        pumping.cancel()
        with suppress(asyncio.CancelledError):
            await pumping


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


async def _pump(
    answers: AsyncGenerator[Answer, None],
    ready: asyncio.Queue[Answer | _End],
    taken: asyncio.Semaphore,
    seconds: float,
) -> None:
    try:
        async with aclosing(answers):
            async for answer in answers:
                await _taken(answers, taken, seconds)
                ready.put_nowait(answer)
    except BaseException as error:
        ready.put_nowait(_End(error))
        if not isinstance(error, Exception):
            raise
    else:
        ready.put_nowait(_End())


async def _taken(
    answers: AsyncGenerator[Answer, None], taken: asyncio.Semaphore, seconds: float
) -> None:
    try:
        async with asyncio.timeout(seconds):
            await taken.acquire()
    except TimeoutError:
        raise _slow(seconds) from None
    except asyncio.CancelledError as cancelled:
        # Whoever ends a stream while its consumer is busy cancels this, and knows why.
        await answers.athrow(cancelled)
        raise


def _slow(seconds: float) -> ServiceError:
    return ServiceError(
        reason="SLOW_CONSUMER",
        message=(
            f"nothing of this stream was read for {seconds:g} s: go on from the last"
            " `resume_token` with another one, and read faster or ask for less"
        ),
    )
