"""How long it takes until a change is found: a document stored, changed and deleted again, with leave."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import exposed, handed_over, need_retriever
from gapless.probes.judging import Judged, at_most, together
from gapless.records.finding import Figure, Finding
from gapless.report.wording import duration
from gapless.retrievers.base import Document

CARD = Card(
    probe="update-visibility",
    layer="context",
    title="a change is found soon",
    target="stored, changed and deleted documents show within 5 s",
    source="gapless' own: later, a correction misses the very next question",
)
_MOST_S = 5.0
_PAUSE_S, _ROUNDS = 0.01, 5
_STEP = "Wait for the store to confirm before you go on, or ask it for consistent reads; an answer from before the change is stale."


def visibility(subject: Subject) -> Iterable[Finding]:
    """Stores a document of its own, changes it, deletes it, and asks for it each time until the answer is right."""
    retrieve = need_retriever(subject)
    upsert, delete = exposed(subject, "upsert"), exposed(subject, "delete")
    if upsert is None or delete is None:
        raise ProbeUnavailable("the retriever shows no methods upsert(documents) and delete(ids)")
    if not subject.leave:
        raise ProbeUnavailable("it stores a document of its own, and deletes it again: say --leave")
    most = subject.targets.get(CARD.probe, _MOST_S)
    patience_s = max(2 * most, subject.seconds)
    rounds = list(
        _rounds(lambda: time_to_visibility(retrieve, upsert, delete, patience_s=patience_s), subject.seconds)
    )
    figures: list[Figure] = []
    judged: list[Judged] = []
    parts: list[str] = []
    for name in rounds[0]:
        took = [seconds for one in rounds if (seconds := one[name]) is not None]
        if len(took) < len(rounds):
            judged.append(Judged("fail"))
            parts.append(f"{name}: not shown within {patience_s:g} s")
            continue
        figures.append(_figure(name, took))
        judged.append(at_most(figures[-1], most, needs="a repetition"))
        parts.append(f"{name}: shown after {duration(1e3 * figures[-1].value)}")
    held = together(*judged)
    target = CARD.target.replace("5 s", f"{most:g} s")
    step = "" if held.status == "ok" else _STEP
    yield CARD.held(held, ", ".join(parts), figures=tuple(figures), target=target, next_step=step)


def _rounds(once: Callable[[], dict[str, float | None]], seconds: float) -> Iterator[dict[str, float | None]]:
    """Repeats the changes for a spread, until time is up or one is never shown."""
    begun = time.monotonic()
    for _ in range(_ROUNDS):
        took = once()
        yield took
        if None in took.values() or time.monotonic() - begun > seconds:
            return


def _figure(name: str, took: Sequence[float]) -> Figure:
    several = len(took) > 1
    return Figure(
        name=name,
        value=statistics.median(took),
        unit="s",
        low=min(took) if several else None,
        high=max(took) if several else None,
        spread=f"fastest and slowest of {len(took)}" if several else "one change",
    )


def time_to_visibility(
    retrieve: Callable[[str], Any],
    upsert: Callable[[list[Document]], Any],
    delete: Callable[[list[str]], Any],
    *,
    patience_s: float,
) -> dict[str, float | None]:
    """Seconds from each call until a search shows its effect.

    Args:
        retrieve: Function of a query that returns ranked documents.
        upsert: Stores documents.
        delete: Forgets documents by id; the probe's own is deleted whatever happens.
        patience_s: How long to wait for each.

    Returns:
        "stored", "changed" and "deleted", each with seconds, or None where the change never showed; "stored" alone where
        that never did, for then nothing tells of the others.
    """
    mark = f"gapless{uuid.uuid4().hex}"
    first, second = f"{mark} anchor", f"{mark} anchor {mark[::-1]}"

    def texts() -> list[str]:
        return [hit.text for hit in handed_over(retrieve(first)) if mark in hit.text or hit.id == mark]

    took: dict[str, float | None] = {}
    try:
        took["stored"] = _seconds(lambda: upsert([Document(mark, first)]), lambda: bool(texts()), patience_s)
        if took["stored"] is not None:
            again = [Document(mark, second)]
            took["changed"] = _seconds(lambda: upsert(again), lambda: second in texts(), patience_s)
    finally:
        gone = _seconds(lambda: delete([mark]), lambda: not texts(), patience_s)
    return took | ({"deleted": gone} if took["stored"] is not None else {})


def _seconds(change: Callable[[], Any], shown: Callable[[], bool], patience_s: float) -> float | None:
    begun = time.monotonic()
    change()
    while not shown():
        if time.monotonic() - begun > patience_s:
            return None
        time.sleep(_PAUSE_S)
    return time.monotonic() - begun
