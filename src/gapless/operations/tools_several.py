"""Asks several servers at once: one that cannot be asked is told of, and does not keep the others from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gapless.errors import EndpointError, InvalidSettings, InvalidTarget
from gapless.records.tools import Unheard
from gapless.settings import ServerSettings

T = TypeVar("T")
Which = tuple[str, ServerSettings, bool]
"""Name, server, and whether the name is settled."""
_ITS_OWN = (EndpointError, InvalidSettings, InvalidTarget)
"""What is wrong with one server only."""


async def each(
    asked: Sequence[Which], one: Callable[[str, ServerSettings, bool], Awaitable[T]]
) -> tuple[tuple[T, ...], tuple[Unheard, ...]]:
    """What each server came to, and those of several that could not be asked.

    Raises:
        EndpointError: None could be asked.
        GaplessError: The only one could not be, or what went wrong is not a server's own.
    """
    found = await asyncio.gather(*(one(*which) for which in asked), return_exceptions=True)
    heard: list[T] = []
    unheard: list[Unheard] = []
    for (name, *_), answer in zip(asked, found, strict=True):  # only now: none is left alone in its shutdown
        if not isinstance(answer, BaseException):
            heard.append(answer)
        elif len(asked) == 1 or not isinstance(answer, _ITS_OWN):
            raise answer
        else:
            unheard.append(Unheard(server=name, said=str(answer)))
    if not heard:
        raise EndpointError("no server could be asked. " + "; ".join(one.said for one in unheard))
    return tuple(heard), tuple(unheard)
