"""The labels that every other line on retrieval rests on: seen by a person, and still true of the texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import label_command, queries_of, texts_of
from gapless.probes.context.shares import count_figure, counted
from gapless.probes.judging import Judged, share_at_most, together
from gapless.records.finding import Finding
from gapless.records.labelled_query import LabelledQuery
from gapless.report.wording import count
from gapless.retrievers.labelling.excerpts import standing

CARD = Card(
    probe="query-labels",
    layer="context",
    title="labels were seen by a person, and still hold",
    target="no label that nobody has seen, none whose passage has changed since (more than 10 % are a failure); at most half in the "
    "words of their passage",
    source="gapless' own: figures are as good as the labels they rest on",
)
_MOST_LEXICAL, _MOST_STALE = 0.5, 0.1


def query_labels(subject: Subject) -> Iterable[Finding]:
    """Share of labels that nobody has seen, whose passage is another now, or that ask in its own words."""
    labels = queries_of(subject)
    if not any(one.source for one in labels):
        raise ProbeUnavailable(
            f"none of {len(labels)} labels says where it comes from; those that gapless label --queries makes do"
        )
    unseen = [one for one in labels if one.source in ("proposed", "unreviewed")]
    lexical = [one for one in labels if one.lexical]
    stale, unheld = _held(subject, labels)
    kinds = [("seen by nobody", unseen), ("in the words of their passage", lexical)]
    kinds += [("no longer true of the texts", stale)] if stale is not None else []
    figures = tuple(count_figure(name, kind, len(labels), "label") for name, kind in kinds)
    said = "; ".join(_parts(labels, unseen, lexical, stale or []))
    own_words = share_at_most(
        "in their own words", counted(lexical, len(labels)), _MOST_LEXICAL, missed="warn"
    )
    if not unseen and not stale:
        step = "" if own_words.status == "ok" else _step(False, False, "")
        yield CARD.held(together(own_words, Judged("ok", unheld)), said, figures=figures, next_step=step)
        return
    outdated = share_at_most("outdated", counted(stale or [], len(labels)), _MOST_STALE)
    command = label_command(subject)
    yield CARD.finding(
        "fail" if outdated.status == "fail" else "warn",
        said,
        figures=figures,
        next_step=_step(bool(unseen), bool(stale), command),
        command=command if subject.texts is not None else "",
    )


def _held(subject: Subject, labels: Sequence[LabelledQuery]) -> tuple[list[LabelledQuery] | None, str]:
    """Labels whose passage is another now, and what of that cannot be seen; None where no texts are named to look into."""
    if subject.texts is None:
        return None, "whether their passages still stand was not looked at: --chunking FOLDER names the texts"
    texts = texts_of(subject)
    found = [(one, standing(texts, one)) for one in labels]
    unknown = sum(stands == "unknown" for _, stands in found)
    untold = f"{unknown} of {count(len(labels), 'label')} {'does' if unknown == 1 else 'do'} not say which passage it was"
    return [one for one, stands in found if stands in ("changed", "gone")], untold if unknown else ""


def _parts(
    labels: Sequence[LabelledQuery],
    unseen: Sequence[LabelledQuery],
    lexical: Sequence[LabelledQuery],
    stale: Sequence[LabelledQuery],
) -> Iterable[str]:
    every = count(len(labels), "label")
    if unseen:
        yield f"{len(unseen)} of {every} {_was(unseen)} seen by nobody"
    else:
        people = Counter(one.reviewer for one in labels if one.source == "reviewed")
        by = f", by {', '.join(sorted(people))}" if people else ""
        yield f"{sum(people.values())} of {every} {'was' if sum(people.values()) == 1 else 'were'} reviewed{by}"
    if stale:
        what = stale[0].document or "the texts"
        yield f"what {len(stale)} of {every} rests on has changed since, as of {stale[0].query[:60]!r} in {what}"
    if lexical:
        yield f"{len(lexical)} of {every} {'asks' if len(lexical) == 1 else 'ask'} in the words of the passage, which is kind to word search"


def _was(some: Sequence[LabelledQuery]) -> str:
    return "was" if len(some) == 1 else "were"


def _step(unseen: bool, stale: bool, command: str) -> str:
    if stale:
        return "Look at them again: the command puts before you those whose texts have changed."
    if unseen:
        return f"Decide on them one by one, in a terminal: {command}"
    return "Put the questions into the words of those who ask (edit), or have a model propose them: --model."
