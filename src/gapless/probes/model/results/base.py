"""What a result file holds: requests with their times, who wrote it, and how they were sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load

T = TypeVar("T")
R = TypeVar("R")
_CLOCK_S = 0.01
"""By how much a writer's clocks of tokens and of requests may differ."""
Reader = Callable[[Path], tuple[Load, ...]]
"""Reads a file: one load for each run in it.

Raises:
    ProbeUnavailable: It cannot be read, or holds no requests.
"""
Signs = dict[str, msgspec.Raw]
"""The keys of a JSON object, whose values nobody has looked at yet: what a file is recognised by."""


def source(path: Path, writer: str, version: str | None) -> str:
    """Where figures come from, in words."""
    return f"from {path.name}, written by {writer} {version or '(the file does not say which version)'}"


def content(path: Path) -> bytes:
    """What is in a file.

    Raises:
        ProbeUnavailable: It is not there, or no file.
    """
    if not path.is_file():
        raise ProbeUnavailable(f"{path}: {'it is no file' if path.exists() else 'there is no such file'}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProbeUnavailable(f"{path}: cannot be read: {error}") from error


def decoded(path: Path, data: bytes, kind: type[T], *, what: str = "") -> T:
    """JSON of a known form; keys that nobody asks for are passed over, and cost no memory.

    Args:
        path: Where it is from.
        data: The JSON.
        kind: Its form.
        what: What it should be, for the reason: "a guidellm report".

    Raises:
        ProbeUnavailable: It is no JSON, or of another form.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise ProbeUnavailable(f"{path}: {what or 'JSON'} of another form: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProbeUnavailable(f"{path}: cannot be read: {error}") from error


class Impossible(ValueError):
    """Times of a request that cannot be."""


def sieved(records: Iterable[R], made: Callable[[R], T], wrong: list[str]) -> list[T]:
    """What is made of each record; where its times cannot be, why goes to `wrong`."""
    kept: list[T] = []
    for one in records:
        try:
            kept.append(made(one))
        except Impossible as error:
            wrong.append(str(error))
    return kept


def reply(
    *,
    due_s: float | None,
    begun_s: float,
    first_ms: float | None = None,
    gaps_ms: Sequence[float] = (),
    ended_s: float,
    said: str = "",
    tokens_out: int | None = None,
) -> Reply:
    """A request of a file as one of ours; what went wrong is in `said`.

    Args:
        due_s: When it should have begun, in seconds on the file's clock, where there is a schedule; latency counts from then.
        begun_s: When it did.
        first_ms: From there to its first token; None where answers were not streamed.
        gaps_ms: Between its pieces; the mean of them where the file keeps no more.
        ended_s: When it ended.
        said: Why there is no whole answer; empty where there is.
        tokens_out: Tokens of the answer.

    Raises:
        Impossible: It ended before it began, or had tokens before that or after its end.
    """
    if ended_s < begun_s:
        raise Impossible(f"a request that ends {begun_s - ended_s:g} s before it begins")
    if (first_ms or 0.0) < 0 or min(gaps_ms, default=0.0) < 0:
        raise Impossible(f"a token {-min(first_ms or 0.0, *gaps_ms, 0.0):g} ms before what comes before it")
    arrivals = [begun_s + first_ms / 1e3] if first_ms is not None else []
    for gap in gaps_ms if arrivals else ():
        arrivals.append(arrivals[-1] + gap / 1e3)
    if arrivals and not arrivals[-1] <= ended_s + _CLOCK_S:
        raise Impossible(f"a token {arrivals[-1] - ended_s:g} s after the end of its request")
    return Reply(
        intended_s=begun_s if due_s is None else min(due_s, begun_s),
        started_s=begun_s,
        ended_s=ended_s,
        arrivals=arrivals,
        trouble="raised" if said else "",
        said=_short(said),
        tokens_out=tokens_out,
    )


def _short(said: str) -> str:
    """The status in an error's words, else the first of them: what failures are counted by.

    Example:
        >>> _short("HTTPStatusError(\"Server error '503 Service Unavailable' for url ...\")")
        'status 503'
    """
    status = re.search(r"\b[45]\d\d\b", said)
    return f"status {status[0]}" if status else said.partition("\n")[0][:80]


def load(
    replies: Sequence[Reply],
    how: str,
    *,
    given_up: Sequence[Reply] = (),
    mean_gaps: bool = False,
    part: str = "",
    wrong: Sequence[str] = (),
) -> Load:
    """Requests as a load; the writer's own lag is not in its file.

    Args:
        replies: In any order.
        how: How they were sent, and where that is from.
        given_up: Requests that the writer broke off by itself.
        mean_gaps: Whether of each answer only the mean time between its tokens is known.
        part: Why these are not all; empty where they are.
        wrong: Why others are left out, whose times cannot be.

    Raises:
        ValueError: Those are half of all, or more.
    """
    told = ""
    if wrong:
        told = f"{len(wrong)} of {len(replies) + len(given_up) + len(wrong)} requests have impossible times ({wrong[0]})"
        if len(wrong) >= len(replies) + len(given_up):
            raise ValueError(told)
    ordered = sorted(replies, key=lambda one: one.intended_s)
    seconds = max(one.ended_s for one in ordered) - ordered[0].intended_s if ordered else 0.0
    left = f", {len(given_up)} more given up by its writer" if given_up else ""
    return Load(
        replies=tuple(ordered),
        lag=None,
        seconds=seconds,
        how=f"{how}{left}{f', {part}' if part else ''}{f'; left out: {told}' if told else ''}",
        read=True,
        mean_gaps=mean_gaps,
        given_up=tuple(given_up),
        part=part,
        impossible=told,
    )
