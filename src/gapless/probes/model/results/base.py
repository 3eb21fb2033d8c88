"""What a result file holds: requests with their times, who wrote it, and how they were sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load

Reader = Callable[[Path], tuple[Load, ...]]
"""Reads a file: one load for each run in it.

Raises:
    ProbeUnavailable: It cannot be read, or holds no requests.
"""


def source(path: Path, writer: str, version: str | None) -> str:
    """Where figures come from, in words."""
    return f"from {path.name}, written by {writer} {version or '(the file does not say which version)'}"


def read_json(path: Path) -> Any:
    """A file's JSON value.

    Raises:
        ProbeUnavailable: It is not there, or no JSON.
    """
    try:
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ProbeUnavailable(f"{path}: cannot be read: {error}") from error


def reply(
    *,
    begun_s: float,
    first_ms: float | None,
    gaps_ms: list[float],
    ended_s: float,
    said: str = "",
    **more: Any,
) -> Reply:
    """A request of a file as one of ours; what went wrong is in `said`.

    Args:
        begun_s: When it should have begun, in seconds on the file's clock.
        first_ms: To its first token, from then.
        gaps_ms: Between its pieces; the mean of them where the file keeps no more.
        ended_s: When it ended.
        said: Why there is no whole answer; empty where there is.
        **more: Further fields of the reply.
    """
    arrivals = [begun_s + first_ms / 1e3] if first_ms is not None else []
    for gap in gaps_ms if arrivals else ():
        arrivals.append(arrivals[-1] + gap / 1e3)
    return Reply(
        intended_s=begun_s,
        started_s=begun_s,
        ended_s=ended_s,
        arrivals=arrivals,
        trouble="raised" if said else "",
        said=_short(said),
        **more,
    )


def _short(said: str) -> str:
    """The status in an error's words, else the first of them: what failures are counted by.

    Example:
        >>> _short("HTTPStatusError(\"Server error '503 Service Unavailable' for url ...\")")
        'status 503'
    """
    status = re.search(r"\b[45]\d\d\b", said)
    return f"status {status[0]}" if status else said.partition("\n")[0][:80]


def load(replies: list[Reply], how: str, **more: Any) -> Load:
    """Requests as a load; the writer's own lag is not in its file."""
    ends = [reply.ended_s for reply in replies]
    seconds = max(ends) - min(reply.intended_s for reply in replies) if replies else 0.0
    return Load(replies=tuple(replies), lag=None, seconds=seconds, how=how, read=True, **more)
