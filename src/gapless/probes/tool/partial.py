"""Answers that are only a part of what was asked for, and what a call says while it takes its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.tool.called import unanswered, uncalled
from gapless.probes.tool.reading import part_in
from gapless.probes.tool.survey import heard
from gapless.probes.tool.visit import Tried, Visit
from gapless.records.finding import Figure, Finding

PARTIAL = Card(
    probe="tool-partial",
    layer="tool",
    title="a part is not taken for the whole",
    target="whoever answers a part takes an argument that fetches the rest",
    source="gapless' own: has_more, cursors, totals larger than what is there",
)
PROGRESS = Card(
    probe="tool-progress",
    layer="tool",
    title="long calls report progress, and it only grows",
    target="every value larger than the one before; a call over 2 s says something meanwhile",
    source="MCP, progress: the value must increase with each notification",
)
_LONG_MS = 2000.0
_PAGED = ("cursor", "page", "offset", "token", "skip", "after", "start", "continuation")
"""Parts of the names by which arguments ask for the rest."""


def partial(subject: Subject) -> Iterable[Finding]:
    """Which tools answered a part; callers that take it for the whole lose the rest in silence."""
    seen = heard(subject)
    answered = [(v, t) for v in seen for t in v.called if t.answer.ended == "answered"]
    if not answered:
        raise ProbeUnavailable(unanswered(seen))
    parts = {
        (visit.name, tried.tool): (visit, said)
        for visit, tried in answered
        if (said := part_in(tried.answer))
    }
    lost = [
        f"{name}: {tool} ({said})" for (name, tool), (visit, said) in parts.items() if not _pages(visit, tool)
    ]
    figures = (
        Figure(name="answers looked at", value=len(answered)),
        Figure(name="tools that answered a part", value=len(parts)),
    )
    if lost:
        yield PARTIAL.finding(
            "warn",
            f"a part, and no argument that fetches the rest: {'; '.join(lost)}",
            figures=figures,
            next_step="Let the tool take a cursor, or put Complete(pages=...) on the step that reads it.",
        )
    elif parts:
        named = ", ".join(f"{name}: {tool} ({said})" for (name, tool), (_, said) in parts.items())
        yield PARTIAL.finding("ok", f"parts, with an argument for the rest: {named}", figures=figures)
    else:
        yield PARTIAL.finding(
            "ok", f"none of {len(answered)} answers says that it is a part", figures=figures
        )


def _pages(visit: Visit, tool: str) -> bool:
    schema = visit.schema(tool).input_schema
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    names = [str(name).lower() for name in properties] if isinstance(properties, Mapping) else []
    return any(part in name for name in names for part in _PAGED)


def progress(subject: Subject) -> Iterable[Finding]:
    """Whether progress arrives where a call takes long, and only grows."""
    seen = heard(subject)
    made = [(visit.name, tried) for visit in seen for tried in visit.called]
    reporting = [(name, tried) for name, tried in made if tried.answer.progress]
    back = [f"{name}: {tried.tool} went {_shown(tried)}" for name, tried in reporting if not _grows(tried)]
    mute = sorted({f"{n}: {t.tool}" for n, t in made if t.answer.ms > _LONG_MS and not t.answer.progress})
    if not made:
        raise ProbeUnavailable(f"nothing could be called: {uncalled(seen)}")
    figures = (Figure(name="calls that reported progress", value=len(reporting)),)
    if back:
        yield PROGRESS.finding(
            "fail",
            "; ".join(dict.fromkeys(back)),
            figures=figures,
            next_step="Count up only: clients show it, and some extend their timeout by it.",
        )
    elif mute:
        yield PROGRESS.finding(
            "warn",
            f"over {_LONG_MS / 1e3:g} s without a word: {', '.join(mute)}",
            figures=figures,
            next_step="Send notifications/progress where the caller gave a token: silence looks like a hang.",
        )
    elif not reporting:
        raise ProbeUnavailable("no call took over 2 s, and none reported progress")
    else:
        tools = dict.fromkeys(f"{name}: {tried.tool}" for name, tried in reporting)
        yield PROGRESS.finding(
            "ok", f"arrived and only grew in {len(reporting)} calls: {', '.join(tools)}", figures=figures
        )


def _grows(tried: Tried) -> bool:
    told = tried.answer.progress
    return all(one < other for one, other in pairwise(told))


def _shown(tried: Tried) -> str:
    return " -> ".join(f"{one:g}" for one in tried.answer.progress[:6])
