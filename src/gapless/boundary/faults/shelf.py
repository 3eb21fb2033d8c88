"""Every fault there is, fitted to a step by what it hands over when all is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple, cast

from gapless.boundary.faults.base import Fault, FieldFault
from gapless.boundary.faults.delay import Delay
from gapless.boundary.faults.duplicate_delivery import DuplicateDelivery
from gapless.boundary.faults.empty import Empty
from gapless.boundary.faults.handoff import UNCHANGED, change
from gapless.boundary.faults.hang import Hang
from gapless.boundary.faults.http_error import ServiceUnavailable, TooManyRequests
from gapless.boundary.faults.missing_field import MissingField
from gapless.boundary.faults.older_dates import OlderDates, dated
from gapless.boundary.faults.one_of import OneOf
from gapless.boundary.faults.others import OtherAnswer, OtherItems
from gapless.boundary.faults.partial_answer import PartialAnswer
from gapless.boundary.faults.raises import Raises
from gapless.boundary.faults.renamed_field import RenamedField
from gapless.boundary.faults.reordered import Reordered
from gapless.boundary.faults.retyped_field import RetypedField
from gapless.boundary.faults.timeout import Timeout
from gapless.boundary.faults.truncated_stream import TruncatedStream
from gapless.boundary.faults.wrong_figure import WrongFigure, figures

_DEEP = 6
_SENTENCE = 20


class Usual(NamedTuple):
    """A step when all is well."""

    step: str
    handoffs: tuple[Any, ...]
    """What it handed over in several cases, as plain values."""
    hang_s: float
    """How long a hang lasts: more than any limit that should notice it."""


class _Place(NamedTuple):
    path: str
    value: Any


_Fit = Callable[[Usual], Fault | None]


def fitted(usual: Usual) -> tuple[Fault, ...]:
    """Every fault that can strike a step, in the shelf's order; one that finds nothing to change there is left out."""
    return tuple(fault for fit in SHELF.values() if (fault := fit(usual)) is not None)


def _delay(usual: Usual) -> Fault:
    return Delay(step=usual.step)


def _hang(usual: Usual) -> Fault:
    return Hang(step=usual.step, for_s=usual.hang_s)


def _timeout(usual: Usual) -> Fault:
    return Timeout(step=usual.step)


def _raises(usual: Usual) -> Fault:
    return Raises(step=usual.step)


def _too_many(usual: Usual) -> Fault:
    return TooManyRequests(step=usual.step)


def _unavailable(usual: Usual) -> Fault:
    return ServiceUnavailable(step=usual.step)


def _empty(usual: Usual) -> Fault | None:
    # A word among others is rarely what the next step lives on: rather all of the handoff than that.
    place = _largest(
        usual, lambda value: (isinstance(value, (list, dict)) and bool(value)) or _is_sentence(value)
    )
    place = place or _largest(usual, lambda value: isinstance(value, str) and bool(value))
    return Empty(step=usual.step, field=place.path) if place else None


def _partial(usual: Usual) -> Fault | None:
    place = _largest(usual, lambda value: isinstance(value, list) and len(cast("list[Any]", value)) > 1)
    place = place or _largest(usual, lambda value: _is_object(value, 2))
    return PartialAnswer(step=usual.step, field=place.path) if place else None


def _truncated(usual: Usual) -> Fault | None:
    place = _largest(usual, _is_sentence)
    return TruncatedStream(step=usual.step, field=place.path) if place else None


def _renamed(usual: Usual) -> Fault | None:
    step = usual.step
    return _one_of(
        usual, [RenamedField(step=step, field=path, old=key, new=f"{key}_v2") for path, key in _fields(usual)]
    )


def _retyped(usual: Usual) -> Fault | None:
    places = [_under(path, key) for path, key in _fields(usual)]
    return _one_of(usual, [RetypedField(step=usual.step, field=place) for place in places])


def _missing(usual: Usual) -> Fault | None:
    return _one_of(
        usual, [MissingField(step=usual.step, field=path, key=key) for path, key in _fields(usual)]
    )


def _stale(usual: Usual) -> Fault | None:
    place = _largest(usual, dated)
    return OlderDates(step=usual.step, field=place.path) if place else None


def _namesake(usual: Usual) -> Fault | None:
    place = _largest(usual, lambda value: isinstance(value, list) and bool(value))
    others = _others(usual, place.path) if place else ()
    return OtherItems(step=usual.step, field=place.path, others=others) if place and others else None


def _duplicate(usual: Usual) -> Fault:
    return DuplicateDelivery(step=usual.step)


def _reordered(usual: Usual) -> Fault | None:
    place = _largest(usual, lambda value: isinstance(value, list) and len(cast("list[Any]", value)) > 1)
    return Reordered(step=usual.step, field=place.path) if place else None


def _figure(usual: Usual) -> Fault | None:
    return WrongFigure(step=usual.step, field="") if any(map(figures, usual.handoffs)) else None


def _other(usual: Usual) -> Fault | None:
    others = _others(usual, "")
    return OtherAnswer(step=usual.step, field="", others=others) if others else None


SHELF: Mapping[str, _Fit] = {
    "delay": _delay,
    "hang": _hang,
    "timeout": _timeout,
    "exception": _raises,
    "http-429": _too_many,
    "http-503": _unavailable,
    "empty": _empty,
    "partial-answer": _partial,
    "truncated-stream": _truncated,
    "renamed-field": _renamed,
    "retyped-field": _retyped,
    "missing-field": _missing,
    "stale-evidence": _stale,
    "namesake": _namesake,
    "duplicate-delivery": _duplicate,
    "reordered": _reordered,
    "wrong-figure": _figure,
    "other-answer": _other,
}
"""Name of a fault -> how it is fitted to a step; None where it finds nothing to change there."""


KINDS = (
    Delay,
    Hang,
    Timeout,
    Raises,
    TooManyRequests,
    ServiceUnavailable,
    Empty,
    PartialAnswer,
    TruncatedStream,
    RenamedField,
    RetypedField,
    MissingField,
    OlderDates,
    OtherItems,
    DuplicateDelivery,
    Reordered,
    WrongFigure,
    OtherAnswer,
)
"""The faults of the shelf, in its order."""


def _others(usual: Usual, path: str) -> tuple[Any, ...]:
    """What stands at a path in all handoffs; nothing where all of it is the same."""
    found = [value for handoff in usual.handoffs for value in _at(handoff, path)]
    distinct: list[Any] = []
    for value in found:
        if value not in distinct:
            distinct.append(value)
    return tuple(distinct) if len(distinct) > 1 else ()


def _at(handoff: Any, path: str) -> list[Any]:
    seen: list[Any] = []

    def note(value: Any) -> Any:
        seen.append(value)
        return UNCHANGED

    change(handoff, path, note)
    return seen


def _largest(usual: Usual, fits: Callable[[Any], bool]) -> _Place | None:
    """The place at which most handoffs have a value that fits; of several the one that holds most, then the first."""
    held: dict[str, list[int]] = {}
    for handoff in usual.handoffs:
        for place in _places(handoff, ""):
            if fits(place.value):
                held.setdefault(place.path, []).append(_size(place.value))
    if not held:
        return None
    # The whole handoff comes last: a step that hands over nothing at all is another failure than one with an empty list.
    best = max(held, key=lambda path: (path != "", len(held[path]), sum(held[path])))
    return _Place(best, held[best])


def _fields(usual: Usual) -> list[tuple[str, str]]:
    """(path of an object or a list of objects, one of its keys), for every field there is."""
    held = {
        (place.path, key): None
        for handoff in usual.handoffs
        for place in _places(handoff, "")
        for item in (place.value if isinstance(place.value, list) else [place.value])
        if isinstance(item, dict)
        for key in cast("dict[Any, Any]", item)
        if isinstance(key, str) and "." not in key
    }
    return list(held)


def _one_of(usual: Usual, variants: Sequence[FieldFault]) -> Fault | None:
    """The variants that find something to change in most handoffs; another one in each trial."""
    fit = tuple(one for one in variants if 2 * _changes(one, usual) > len(usual.handoffs))
    # The kind of a fault is its class's; this one has its variants' kind, which no protocol of class variables can say.
    return cast("Fault", OneOf(fit)) if fit else None


def _changes(fault: FieldFault, usual: Usual) -> int:
    random = Random(0)
    return sum(
        change(handoff, fault.field, lambda value: fault.changed(value, random))[1]
        for handoff in usual.handoffs
    )


def _places(value: Any, path: str, depth: int = 0) -> Iterator[_Place]:
    """A value and everything inside of its objects, with paths; the inside of lists is left to the faults."""
    yield _Place(path, value)
    if isinstance(value, dict) and depth < _DEEP:
        for key, inner in cast("dict[Any, Any]", value).items():
            if isinstance(key, str) and "." not in key:
                yield from _places(inner, _under(path, key), depth + 1)


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_object(value: Any, least: int) -> bool:
    return isinstance(value, dict) and len(cast("dict[Any, Any]", value)) >= least


def _is_sentence(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= _SENTENCE and " " in value


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(_size(inner) for inner in cast("dict[Any, Any]", value).values())
    if isinstance(value, list):
        return 1 + sum(_size(inner) for inner in cast("list[Any]", value))
    return 1 + (len(value) // 40 if isinstance(value, str) else 0)
