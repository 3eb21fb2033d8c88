"""Documents that stand in each other's way among the first of an answer: the same text twice, and namesakes."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import combinations

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import Answer, Found, answered, named
from gapless.probes.context.quality import mean_of, rate_figure
from gapless.records.finding import Finding
from gapless.retrievers.bm25 import words

CARD = Card(
    probe="near-duplicates",
    layer="context",
    title="near-duplicates and namesakes among the first five",
    target="at most 10 % of answers with near-duplicates or with a namesake ahead of the right document",
    source="gapless' own",
)
_FIRST, _ALIKE, _NAMESAKE, _MOST = 5, 0.9, 0.6, 0.1
_NAMES = ("name", "title", "supplier", "entity", "customer", "company")


def near_duplicates(subject: Subject) -> Iterable[Finding]:
    """Answers whose first five hold nearly the same text twice, and those in which a namesake stands ahead of the right one."""
    asked = answered(subject)
    usable = [one for one in asked.answers if len({hit.id for hit in one.hits}) > 1]
    if not usable:
        raise ProbeUnavailable("no answer holds two documents: there is nothing to compare")
    alike = [_alike(one) for one in usable]
    misled = [_misled(one) for one in usable]
    groups = [one.query.group for one in usable]
    figures = (
        rate_figure(
            "with near-duplicates", mean_of([bool(pair) for pair in alike], groups), f"{len(usable)} answers"
        ),
        rate_figure(
            "with a namesake ahead",
            mean_of([bool(pair) for pair in misled], groups),
            f"{len(usable)} answers",
        ),
    )
    parts: list[str] = []
    for pairs, what in (
        (alike, "hold nearly the same text twice"),
        (misled, "have a namesake ahead of the right document"),
    ):
        known = [pair for pair in pairs if pair]
        if known:
            parts.append(
                f"{len(known)} of {len(usable)} answers {what}, as {known[0][0]!r} and {known[0][1]!r}"
            )
    most = subject.targets.get(CARD.probe, _MOST)
    target = CARD.target.replace("10 %", f"{100 * most:g} %")
    if not parts:
        said = f"no near-duplicate and no namesake ahead in {len(usable)} answers"
        yield CARD.finding("ok", said, figures=figures, target=target)
    elif max(one.value for one in figures) <= most:
        yield CARD.finding("ok", "; ".join(parts), figures=figures, target=target)
    else:
        step = "Index one of each text; filter by the entity that is asked about, or check the name in a contract behind this step."
        yield CARD.finding("warn", "; ".join(parts), figures=figures, target=target, next_step=step)


def _alike(answer: Answer) -> tuple[str, str] | None:
    """Two documents with nine in ten of their words in common (Jaccard), if there are."""
    bags = [(hit.id, frozenset(words(hit.text))) for hit in answer.hits[:_FIRST]]
    for (one, left), (other, right) in combinations(bags, 2):
        if one != other and left and len(left & right) >= _ALIKE * len(left | right):
            return one, other
    return None


def _misled(answer: Answer) -> tuple[str, str] | None:
    """A document ahead of the first relevant one whose name is another, and much like that one's."""
    names = named(answer)
    first = next(
        (at for at, name in enumerate(names) if name in answer.query.relevant or name.startswith("text-")),
        None,
    )
    right = _called(answer.hits[first]) if first is not None else None
    if first is None or right is None:
        return None
    for hit in answer.hits[:first]:
        other = _called(hit)
        if (
            other
            and other != right
            and SequenceMatcher(None, other.lower(), right.lower()).ratio() >= _NAMESAKE
        ):
            return other, right
    return None


def _called(hit: Found) -> str | None:
    return next((str(hit.metadata[name]) for name in _NAMES if hit.metadata.get(name)), None)
