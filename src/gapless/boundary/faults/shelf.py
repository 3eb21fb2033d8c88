"""Every fault there is, fitted to a step by what it hands over when all is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from gapless.boundary.faults.base import Fault
from gapless.boundary.faults.delay import Delay
from gapless.boundary.faults.duplicate_delivery import DuplicateDelivery
from gapless.boundary.faults.empty import Empty
from gapless.boundary.faults.handoff import UNCHANGED, change
from gapless.boundary.faults.hang import Hang
from gapless.boundary.faults.http_error import ServiceUnavailable, TooManyRequests
from gapless.boundary.faults.missing_field import MissingField
from gapless.boundary.faults.older_dates import OlderDates, dated
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
    found = _key(usual)
    return (
        RenamedField(step=usual.step, field=found[0], old=found[1], new=f"{found[1]}_v2") if found else None
    )


def _retyped(usual: Usual) -> Fault | None:
    found = _key(usual)
    return RetypedField(step=usual.step, field=_under(*found)) if found else None


def _missing(usual: Usual) -> Fault | None:
    found = _key(usual)
    return MissingField(step=usual.step, field=found[0], key=found[1]) if found else None


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


def _key(usual: Usual) -> tuple[str, str] | None:
    """(path of an object, one of its keys) that a step's readers are most likely to miss: where most is held."""
    place = _largest(usual, lambda value: _is_object(value, 1)) or _records(usual)
    if place is None:
        return None
    objects = [value for handoff in usual.handoffs for value in _at(handoff, place.path)]
    sizes: dict[str, float] = {}
    for value in _dicts(objects):
        for key, inner in value.items():
            if "." not in key:
                # of equally large ones a figure: more is made of it than of a word
                sizes[key] = sizes.get(key, 0) + _size(inner) + 0.5 * isinstance(inner, (int, float))
    return (place.path, max(sizes, key=lambda key: sizes[key])) if sizes else None


def _records(usual: Usual) -> _Place | None:
    return _largest(
        usual,
        lambda value: (
            isinstance(value, list) and any(_is_object(item, 1) for item in cast("list[Any]", value))
        ),
    )


def _dicts(values: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for value in values:
        if isinstance(value, dict):
            yield cast("dict[str, Any]", value)
        elif isinstance(value, list):
            yield from _dicts(cast("list[Any]", value))


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
