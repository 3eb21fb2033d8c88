"""`--set` of a replay: which handoff or input a typed path means, and whether the edit arrives where it was to arrive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from gapless.boundary.tape import Place, Tape
from gapless.errors import UsageError
from gapless.evals.pointer import Nowhere, Pointer, parse
from gapless.records.changes import changes, holds
from gapless.records.suite import Case
from gapless.records.value import OMITTED, UNSERIALISABLE, is_redacted

INPUT = "input"
_VISIT = re.compile(r"(?:\[(?P<branch>\d+)\])?(?:#(?P<visit>\d+))?(?=[.\[]|$)")


@dataclass(slots=True, kw_only=True)
class Edits:
    """What a person changes in a trial."""

    tape: Tape
    case: Case
    """Its input changes where an edit is one of the input."""
    kept: frozenset[Place]
    """Visits that are kept: what is in the state came from them, or from the input."""
    cut: tuple[Place, ...]
    """Visits that run again first; none where nobody said so."""
    instead: dict[Place, Any] = field(default_factory=dict[Place, Any])
    """What visits hand over instead, as plain data."""
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    """Paths in the state that the first step is given -> what is to be there."""
    given: Case = field(init=False)
    """The case as it was recorded."""

    def __post_init__(self) -> None:
        self.given = self.case

    def take(self, text: str) -> None:
        """Takes in one `path=value`.

        Raises:
            UsageError: The path leads nowhere, or to several places.
        """
        path, equals, said = text.partition("=")
        if not equals or not path:
            raise UsageError(f"--set {text}: write path=value, for example --set assessment.total=12.")
        value, step = _value(said), self._step_in(path)
        if step is not None:
            place, rest = self._visit_in(text, path, step)
            self.instead[place] = self._put_in_handoff(text, place, _parsed(text, rest), value)
        elif path == INPUT or path.startswith((f"{INPUT}.", f"{INPUT}[")):
            self._put_in_input(text, _parsed(text, path[len(INPUT) :].lstrip(".")), value)
        else:
            self._put_in_state(text, path, value)

    def missing(self, state: Any) -> str | None:
        """Why a state is not the edited one; None where it is.

        Args:
            state: What the first step is given, as plain data.
        """
        for path, value in self.state.items():
            found = parse(path).read(state)
            other = [one for one in changes(value, found) if one.kind != "added"]
            if isinstance(found, Nowhere) or other:
                what = str(found) if isinstance(found, Nowhere) else f"{path} is {found!r:.80}"
                return (
                    f"--set {path} does not reach it as asked: {what}. The state is made of what several steps hand over, or "
                    "in another way than by its keys: say STEP.path=value, of the step that hands it over."
                )
        return None

    def _put_in_state(self, text: str, path: str, value: Any) -> None:
        pointer = _parsed(text, path)
        key, given, written = pointer.parts[0], self.case.input, self._written(pointer.parts[0])
        source = self._source(pointer, written)
        if source is None and written:
            source = written[0], pointer  # the last one: whoever is given the state will see
        if source is None and isinstance(given, dict) and (key in given or self._first_state_has(key)):
            source = None, pointer
        if source is None:
            lacks = f"no step before the start hands over {key!r}, and the input has none. Write"
            if not self.cut:
                lacks = f"the input has no {key!r}. Say --from STEP, to change the state that a step is given, or write"
            raise UsageError(f"--set {text}: {lacks} STEP.path=value or input.path=value.")
        place, there = source
        if place is None:
            self._put_in_input(text, there, value)
        else:
            self.instead[place] = self._put_in_handoff(text, place, there, value)
        for earlier in [one for one in self.state if _overlap(parse(one), pointer)]:
            del self.state[earlier]  # the later one holds
        self.state[path] = value

    def _put_in_handoff(self, text: str, place: Place, pointer: Pointer, value: Any) -> Any:
        changed = _put(text, pointer, self._handed(place), value)
        if holds(changed, OMITTED, UNSERIALISABLE) or is_redacted(changed):
            raise UsageError(
                f"--set {text}: the rest of what {place} handed over was not kept as it was. Give all of it: --set {place.step}=VALUE."
            )
        return changed

    def _put_in_input(self, text: str, pointer: Pointer, value: Any) -> None:
        self.case = msgspec.structs.replace(self.case, input=_put(text, pointer, self.case.input, value))

    def _step_in(self, path: str) -> str | None:
        """The step a path begins with."""
        steps = sorted({place.step for place in self.tape.visits}, key=len, reverse=True)
        begins = (
            step for step in steps if path == step or path.startswith(tuple(f"{step}{c}" for c in ".[#"))
        )
        return next(begins, None)

    def _visit_in(self, text: str, path: str, step: str) -> tuple[Place, str]:
        """The visit that a path means, and what follows it."""
        rest = path[len(step) :]
        found = _VISIT.match(rest)
        places = [place for place in self.tape.visits if place.step == step]
        branches = {place.branch for place in places}
        if found and (found["visit"] is not None or (found["branch"] is not None and branches != {None})):
            rest = rest[found.end() :]
            if found["branch"] is not None:
                places = [place for place in places if place.branch == int(found["branch"])]
        if found and found["visit"] is not None:
            places = [place for place in places if place.visit == int(found["visit"])]
        else:
            last = {p.branch: max(q.visit for q in places if q.branch == p.branch) for p in places}
            places = [place for place in places if place.visit == last[place.branch]]
        if len(places) != 1:
            there = ", ".join(str(place) for place in self.tape.visits if place.step == step)
            raise UsageError(
                f"--set {text}: this names {len(places)} visits; the trial has {there}. Name one of these."
            )
        return places[0], rest.lstrip(".")

    def _written(self, key: Any) -> list[Place]:
        """The kept visits that handed over a key, the last one first."""
        later_first = sorted(self.kept, key=lambda place: self.tape.visits[place].index, reverse=True)
        return [place for place in later_first if _has(self._then(place), key)]

    def _source(self, pointer: Pointer, written: list[Place]) -> tuple[Place | None, Pointer] | None:
        """The visit that handed over what is at a path of the state, None for the input; and the path there."""
        state = self._first_state()
        for place in (*written, None):
            handed = self._then(place) if place is not None else self.given.input
            for there in _places_in(pointer, state, handed):
                now, then = pointer.read(state), there.read(handed)
                if not isinstance(then, Nowhere) and not changes(now, then, most=1):
                    return place, there
        return None

    def _then(self, place: Place) -> Any:
        return self._recorded(place) if self.tape.visits[place].ended else self.instead.get(place)

    def _first_state(self) -> Any:
        """The state that the first step was given when it was recorded."""
        address = self.tape.visits[self.cut[0]].event.input if self.cut else None
        return self.tape.load(address) if address is not None else None

    def _first_state_has(self, key: Any) -> bool:
        state = self._first_state()
        return isinstance(state, dict) and key in state

    def _handed(self, place: Place) -> Any:
        return self.instead[place] if place in self.instead else self._recorded(place)

    def _recorded(self, place: Place) -> Any:
        address = self.tape.visits[place].event.output
        return self.tape.load(address) if address is not None else None


def _has(handed: Any, key: Any) -> bool:
    return isinstance(handed, dict) and key in cast("dict[Any, Any]", handed)


def _places_in(pointer: Pointer, state: Any, handed: Any) -> Iterator[Pointer]:
    """Where a path of the state may be in one handoff: at the same path, or further to the front in a list that was joined on."""
    key, *rest = pointer.parts
    if not _has(handed, key):
        return
    yield pointer
    whole = state.get(key) if isinstance(state, dict) else None
    if not (isinstance(whole, list) and isinstance(handed[key], list) and rest and isinstance(rest[0], int)):
        return
    items, mine = cast("list[Any]", whole), cast("list[Any]", handed[key])
    index = rest[0] if rest[0] >= 0 else rest[0] + len(items)
    for before in range(max(0, index - len(mine) + 1), min(index, len(items) - len(mine)) + 1):
        if not changes(items[before : before + len(mine)], mine, most=1):
            yield Pointer((key, index - before, *rest[1:]))


def _overlap(one: Pointer, other: Pointer) -> bool:
    """Whether one path is part of the other."""
    return all(mine == theirs for mine, theirs in zip(one.parts, other.parts, strict=False))


def _parsed(text: str, path: str) -> Pointer:
    try:
        return parse(path)
    except ValueError as error:
        raise UsageError(f"--set {text}: {error}") from error


def _put(text: str, pointer: Pointer, value: Any, new: Any) -> Any:
    changed = pointer.put(value, new)
    if isinstance(changed, Nowhere):
        raise UsageError(f"--set {text}: {changed}.")
    return changed


def _value(said: str) -> Any:
    """What was typed, as JSON where it is; else as text."""
    try:
        return json.loads(said)
    except ValueError:
        return said
