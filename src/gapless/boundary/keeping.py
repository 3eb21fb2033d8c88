"""Which visits of a recorded trial a replay keeps: all that a step does not depend on, or all up to a step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from gapless.boundary.tape import Place, Tape, Taped

Order = Mapping[str, int]
"""Step -> its place in the workflow's order, for steps that run side by side."""


def in_order(tape: Tape, order: Order) -> list[Taped]:
    """The visits as they follow one another; those of one round of a graph in the workflow's order, routers last."""
    rounds = _rounds(tape)
    first: dict[int, int] = {}
    for place, number in rounds.items():
        first[number] = min(first.get(number, tape.visits[place].index), tape.visits[place].index)
    last = len(order)

    def key(taped: Taped) -> tuple[int, int, bool, int]:
        step, _, label = taped.place.step.partition("?")
        beside = rounds.get(taped.place)
        begun = taped.index if beside is None else first[beside]
        return begun, order.get(step, last) if beside is not None else 0, bool(label), taped.index

    return sorted(tape.visits.values(), key=key)


def kept_before(
    tape: Tape, cut: Sequence[Place], order: Order, given: Collection[Place] = ()
) -> frozenset[Place]:
    """What is kept where some visits run again: everything before them, and what ran beside them.

    Args:
        tape: The recorded trial.
        cut: The visits that run again: one, or parallel branches of one.
        order: The workflow's order of steps.
        given: Visits that hand over something else than the tape holds.
    """
    visits, rounds = in_order(tape, order), _rounds(tape)
    first = next(index for index, taped in enumerate(visits) if taped.place in cut)
    step, round_ = cut[0].step, rounds.get(cut[0])
    own = {step, *(place.step for place in tape.visits if place.step.startswith(f"{step}?"))}
    beside = [
        taped
        for taped in visits[first:]
        if round_ is not None and rounds.get(taped.place) == round_ and taped.place.step not in own
    ]
    siblings = [taped for taped in visits[first:] if taped.place.step == step and taped.place not in cut]
    branches = [taped for taped in siblings if round_ is not None and rounds.get(taped.place) == round_]
    return _kept(tape, [*visits[:first], *beside, *branches], cut, given)


def kept_through(
    tape: Tape, last: Collection[Place], order: Order, given: Collection[Place] = ()
) -> frozenset[Place]:
    """What is kept where everything after some visits runs again: they, and everything before them.

    Args:
        tape: The recorded trial.
        last: The visits after which everything runs: one, or parallel branches of one.
        order: The workflow's order of steps.
        given: Visits that hand over something else than the tape holds.
    """
    visits = in_order(tape, order)
    end = max(index for index, taped in enumerate(visits) if taped.place in last)
    return _kept(tape, visits[: end + 1], (), given)


def _kept(
    tape: Tape, wanted: Sequence[Taped], cut: Sequence[Place], given: Collection[Place]
) -> frozenset[Place]:
    """The wanted visits that can be kept: none that a cut or an edit is part of, nor what is part of another.

    One that paused handed over nothing, and is kept only where it is given something.
    """
    inner = {*cut, *given}
    around = {
        taped.place
        for taped in tape.visits.values()
        for event in taped.inside
        if taped.place not in given and Place(event.step, event.branch, event.visit) in inner
    }
    kept = [
        t
        for t in wanted
        if t.place not in around and t.place not in cut and (t.event.status != "paused" or t.place in given)
    ]
    inside = {Place(event.step, event.branch, event.visit) for taped in kept for event in taped.inside}
    return frozenset(taped.place for taped in kept if taped.place not in inside)


def _rounds(tape: Tape) -> dict[Place, int]:
    """Visit -> number of its round, where its graph has rounds: steps of one round ran side by side."""
    current: dict[str, tuple[int | None, int]] = {}
    found: dict[Place, int] = {}
    count = 0
    for place, taped in tape.visits.items():
        if taped.event.superstep is None:
            continue
        graph = place.step.rpartition("/")[0]
        before = current.get(graph)
        if before is None or before[0] != taped.event.superstep:
            count += 1
            current[graph] = (taped.event.superstep, count)
        found[place] = current[graph][1]
    return found
