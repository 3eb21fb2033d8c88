"""Runs blocking code beside the event loop, in a thread that nobody has to wait for: what hangs there holds no exit up."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """What a blocking function returns or raises. Whoever is cancelled here leaves the thread to itself; it cannot be stopped."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[T | None, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: T | None, error: BaseException | None) -> None:
        if not done.done():
            done.set_result((value, error))

    def run() -> None:
        value: T | None = None
        failed: BaseException | None = None
        try:
            value = context.run(work)
        except BaseException as error:  # raised again where it is waited for
            failed = error
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, value, failed)

    threading.Thread(target=run, daemon=True, name="gapless-aside").start()
    value, failed = await done
    if failed is not None:
        raise failed
    return value  # pyright: ignore[reportReturnType]  # without an error there is a value
