"""Gathers what a judged text may rest on: the case's input, what steps handed over, what their tools answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from gapless.boundary.figures import text_of
from gapless.evals.checks.base import CheckContext
from gapless.evals.pointer import Nowhere, parse
from gapless.records.suite import END
from gapless.records.trial import StepEvent
from gapless.records.value import OMITTED, UNSERIALISABLE

INPUT = "input"
STATE = "state"
_READ_BY_STEPS = frozenset({"tool", "retriever"})
_PROSE = 20  # a shorter text may be a figure that a tool handed over, and the tool is then its evidence


@dataclass(frozen=True, slots=True)
class Gathered:
    """Evidence, and what is missing of it."""

    texts: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """Places that a check named and that hold nothing, in words."""
    complete: bool = True
    """False when a recorded value was too large to keep or had no plain form."""


def gather(context: CheckContext, places: list[str] | None, judged: str) -> Gathered:
    """The evidence for a text.

    Args:
        context: The trial, or the step.
        places: "input", "state", a step, or a step with a path ("retrieve.docs[*].text"). When None: the case's
            input, what the step was given, and whatever earlier steps and their tools said. At the end, steps that
            handed over the judged text itself are left out, and the last step always is.
        judged: The text whose evidence this is.
    """
    if places is None:
        values = list(_usual(context, judged))
        missing: list[str] = []
    else:
        values, missing = [], []
        for place in places:
            found = list(_at(context, place))
            values += found
            if not found:
                missing.append(f"nothing at {place!r}")
    texts = tuple(text for value in values if (text := text_of(value)))
    return Gathered(texts, tuple(missing), not any(_is_partial(value) for value in values))


def _usual(context: CheckContext, judged: str) -> Iterator[Any]:
    yield context.case.input
    if context.where != END:
        yield context.state
        yield from (value for _, value in _outputs(context))
    else:
        yield from _not_carrying(context, judged)
    yield from _answers(context)


def _not_carrying(context: CheckContext, judged: str) -> Iterator[Any]:
    outputs = list(_outputs(context))[:-1]
    for _, value in outputs:
        if len(judged) < _PROSE or judged not in text_of(value):
            yield value


def _at(context: CheckContext, place: str) -> Iterator[Any]:
    if place == INPUT or place.startswith((f"{INPUT}.", f"{INPUT}[")):
        sources = [(INPUT, context.case.input)]
    elif place == STATE or place.startswith((f"{STATE}.", f"{STATE}[")):
        sources = [(STATE, context.state)]
    else:
        sources = list(_outputs(context))
    for name, value in sources:
        if place == name:
            yield value
        elif place.startswith((f"{name}.", f"{name}[")):
            found = parse(place[len(name) :].removeprefix(".")).read(value)
            if not isinstance(found, Nowhere):
                yield found


def _outputs(context: CheckContext) -> Iterator[tuple[str, Any]]:
    """What the steps before this one handed over; their goldens when the step ran alone."""
    if not context.events:
        goldens = context.case.golden.items()
        yield from ((step, golden) for step, golden in goldens if step not in (context.where, END))
        return
    for event in _before(context):
        if event.output is not None and not event.router:
            yield event.step, _loaded(context, event.output)


def _answers(context: CheckContext) -> Iterator[Any]:
    """What the tools that steps called answered; a model's answer is no evidence."""
    for event in _before(context, included=True):
        for call in event.calls:
            if call.kind in _READ_BY_STEPS and call.response is not None:
                yield _loaded(context, call.response)


def _before(context: CheckContext, *, included: bool = False) -> Iterator[StepEvent]:
    for event in context.events:
        here = event.step == context.where and event.visit == context.visit
        if here and not included:
            return
        yield event
        if here and event.status == "ok":
            return


def _loaded(context: CheckContext, digest: str) -> Any:
    try:
        return context.load(digest)
    except KeyError:
        return {OMITTED: "not recorded"}


def _is_partial(value: Any) -> bool:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return OMITTED in items or UNSERIALISABLE in items or any(map(_is_partial, items.values()))
    return isinstance(value, list) and any(map(_is_partial, cast("list[Any]", value)))


def named_steps(places: list[str] | None) -> tuple[str, ...]:
    """The steps among the places a check names."""
    heads = (re.split(r"[.\[]", place, maxsplit=1)[0] for place in places or ())
    return tuple(head for head in heads if head not in (INPUT, STATE))
