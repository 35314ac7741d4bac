"""Ends streams whose consumers don't read, so that they hold no watch open.

A transport that can't send a response doesn't request the next one. That one waits for a limited
time. Then the watch behind the stream is closed, and the stream ends with SLOW_CONSUMER once its
consumer has read the responses on their way.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

SLOW_CONSUMER_SECONDS: Final = 60.0
"""How long a response waits for its consumer to take the one before it."""

Answer = TypeVar("Answer")


async def while_read(
    answers: AsyncGenerator[Answer, None], seconds: float
) -> AsyncGenerator[Answer, None]:
    """The responses of a stream, as long as they are consumed in time.

    Args:
        answers: The stream; it is closed in any case.
        seconds: Longest wait of a response.

    Raises:
        ServiceError: SLOW_CONSUMER, after the last response that was consumed in time.
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
        # A stream that is ended while its consumer is busy cancels this with its own reason.
        await answers.athrow(cancelled)
        raise


def _slow(seconds: float) -> ServiceError:
    return ServiceError(
        reason="SLOW_CONSUMER",
        message=(
            f"nothing of this stream was read for {seconds:g} s: open another one, from the last"
            " `resume_token` if there was one, and read faster or ask for less"
        ),
    )
