"""What the lines of the model layer say alike: of several loads, of a target, of a refusal, of one case that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gapless.probes.base import YOURS, Card, ProbeUnavailable, Subject
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load
from gapless.records.finding import STATUSES, Figure, Finding

_NOT_TAKEN = (400, 422, 501)
"""Statuses of an endpoint that knows nothing of what was asked for."""
_EXAMPLE = 160
"""Characters of each part of an example."""
_END_TOKENS = 2
"""Servers differ in whether they count the tokens that end an answer."""


def each_of(loads: Sequence[Load], judge: Callable[[Load], Finding]) -> Finding:
    """One finding of several loads: the worst status, and what was found in each.

    Raises:
        ProbeUnavailable: None of them could be judged.
    """
    found: list[Finding] = []
    figures: list[Figure] = []
    left_out: list[str] = []
    for load in loads:
        try:
            found.append(judge(load))
            which = f", {load.how.partition(', from ')[0]}" if len(loads) > 1 else ""
            figures += [msgspec.structs.replace(one, name=f"{one.name}{which}") for one in found[-1].figures]
        except ProbeUnavailable as error:
            if len(loads) == 1:
                raise
            left_out.append(f"{load.how}: {error}")
    if not found:
        raise ProbeUnavailable("; ".join(left_out))
    worst = min(found, key=lambda one: STATUSES.index(one.status))
    open_still = [one.undecided for one in found if one.undecided]
    open_still += [load.impossible for load in loads if load.impossible]
    open_still += [f"not judged: {one}" for one in left_out]
    return msgspec.structs.replace(
        worst,
        said=" | ".join([*(one.said for one in found), *left_out]),
        figures=tuple(figures),
        undecided="; ".join(dict.fromkeys(open_still)) if worst.status == "ok" else "",
    )


def need_servers_own(load: Load, target_ms: float = 0.0) -> None:
    """Refuses times that are the client's rather than the endpoint's.

    Raises:
        ProbeUnavailable: The client was too late, or too busy, to tell.
    """
    saturated = load.saturated(target_ms)
    if saturated:
        raise ProbeUnavailable(
            f"{saturated}; these times would be its own, not the endpoint's: ask from another host"
        )


def need_all(load: Load) -> None:
    """Refuses a load of which only a part is known.

    Raises:
        ProbeUnavailable: Which part is a matter of how the requests ended, and neighbours are missing.
    """
    if load.part:
        raise ProbeUnavailable(f"shares and loops cannot be told from a sample: {load.how}")


def held_to(subject: Subject, card: Card, target: str) -> dict[str, str]:
    """The target of a finding as it was judged, with where it comes from, for `Card.held`."""
    return {"target": target} | ({"target_source": YOURS} if card.probe in subject.targets else {})


def refused(card: Card, replies: Sequence[Reply | None], what: str, *, next_step: str) -> Finding:
    """The finding where no question was answered because the endpoint takes none of the kind.

    Raises:
        ProbeUnavailable: There was another reason.
    """
    asked = [reply for reply in replies if reply is not None]
    one = next((reply for reply in asked if reply.status in _NOT_TAKEN), None)
    if one is not None:
        return card.finding("fail", f"{what} refused: {one.said}", next_step=next_step)
    lost = next((reply.said for reply in asked if not reply.ok), "no time left")
    raise ProbeUnavailable(f"no answer came: {lost}")


def left_out(replies: Sequence[Reply | None]) -> str:
    """How many cases are not judged, for want of time; and how many of those that are got no whole answer."""
    unasked = sum(reply is None for reply in replies)
    lost = [reply.said for reply in replies if reply is not None and not reply.ok]
    said = f"; no time was left for {unasked} more" if unasked else ""
    return said + (f"; {len(lost)} got no whole answer ({lost[0]})" if lost else "")


def example(asked: str, expected: str, got: str) -> str:
    """One case that went wrong, in words; long texts are cut."""
    return f"asked {_cut(asked)!r}, expected {_cut(expected)}, got {_cut(got) or 'nothing'}"


def _cut(text: str) -> str:
    return text if len(text) <= _EXAMPLE else f"{text[:_EXAMPLE]}..."


def too_long(reply: Reply, tokens: int) -> bool:
    """Whether an answer is longer than was allowed: by the server's own count, else by its words, which are no more than tokens."""
    return (reply.tokens_out or len(reply.text.split())) > tokens + _END_TOKENS
