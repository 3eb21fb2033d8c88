"""Documents that stand in each other's way among the first of an answer: the same text twice, and namesakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from itertools import combinations

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import Answer, Found, answered, named
from gapless.probes.context.shares import mean_of, rate_figure
from gapless.probes.judging import Judged, share_at_most, together
from gapless.records.finding import Figure, Finding
from gapless.report.wording import count
from gapless.retrievers.bm25 import words

CARD = Card(
    probe="near-duplicates",
    layer="context",
    title="near-duplicates and namesakes among the first five",
    target="at most 10 % of answers with near-duplicates or with a namesake ahead of the right document",
    source="gapless' own",
)
_STEP = "Index one of each text; filter by the entity that is asked about, or check the name in a contract behind this step."
_FIRST, _ALIKE, _NAMESAKE, _MOST = 5, 0.9, 0.6, 0.1
_NAMES = ("name", "title", "supplier", "entity", "customer", "company")


def near_duplicates(subject: Subject) -> Iterable[Finding]:
    """Answers whose first five hold nearly the same text twice, and those in which a namesake stands ahead of the right one."""
    asked = answered(subject)
    usable = [one for one in asked.answers if len({hit.id for hit in one.hits}) > 1]
    if not usable:
        raise ProbeUnavailable("no answer holds two documents: there is nothing to compare")
    if not any(_told(hit) for one in usable for hit in one.hits):
        raise ProbeUnavailable(f"documents come without text and without a name ({', '.join(_NAMES)})")
    most = subject.targets.get(CARD.probe, _MOST)
    groups = [one.query.group for one in usable]
    figures: list[Figure] = []
    parts: list[str] = []
    judged: list[Judged] = []
    for name, look, what in _KINDS:
        pairs = [look(one) for one in usable]
        share = mean_of([bool(pair) for pair in pairs], groups)
        figures.append(rate_figure(name, share, count(len(usable), "answer")))
        judged.append(share_at_most(f"the share {name}", share, most, missed="warn"))
        if known := [pair for pair in pairs if pair]:
            first, second = known[0]
            parts.append(
                f"{len(known)} of {count(len(usable), 'answer')} {what}, as {first!r} and {second!r}"
            )
    said = "; ".join(parts) or f"no near-duplicate and no namesake ahead in {count(len(usable), 'answer')}"
    held = together(*judged)
    target = CARD.target.replace("10 %", f"{100 * most:g} %")
    step = "" if held.status == "ok" else _STEP
    yield CARD.held(held, said, figures=tuple(figures), target=target, next_step=step)


def _told(hit: Found) -> bool:
    """Whether a document says more than its id."""
    return bool(_called(hit)) or bool(hit.text and hit.text != hit.id)


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


_KINDS: tuple[tuple[str, Callable[[Answer], tuple[str, str] | None], str], ...] = (
    ("with near-duplicates", _alike, "hold nearly the same text twice"),
    ("with a namesake ahead", _misled, "have a namesake ahead of the right document"),
)
"""Name of the figure, what is looked for in an answer, and how it is said."""
