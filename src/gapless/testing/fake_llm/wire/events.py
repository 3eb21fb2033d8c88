"""Server-sent events, as bytes with a mark where a token is on board."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    data: bytes
    token: bool = False
    """Whether it carries a piece of the answer; time passes only before these."""


def event(body: dict[str, Any], *, token: bool = False, name: str | None = None) -> Event:
    """An event around a JSON body."""
    head = f"event: {name}\n".encode() if name is not None else b""
    return Event(head + b"data: " + msgspec.json.encode(body) + b"\n\n", token)


def first_half(events: Iterable[Event]) -> list[Event]:
    """The events up to the middle of the answer: what a client has when the stream stops too early."""
    everything = list(events)
    limit = sum(event.token for event in everything) // 2
    kept: list[Event] = []
    for each in everything:
        if each.token:
            if limit == 0:
                break
            limit -= 1
        kept.append(each)
    return kept
