"""How one JSON Schema became another: which places became narrower or wider. The order of keys never counts.

A schema is compared as a set of alternatives (`anyOf`, `oneOf`, a list of types), and each alternative keyword by
keyword. What cannot be told from the keyword alone is "other", which callers take for the worst.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from gapless.probes.tool.schemas import resolved

Turn = Literal[
    "narrower", "wider", "text", "other", "field-added", "field-removed", "required", "optional", "default"
]
ABSENT = "\0absent"
"""In place of a keyword that is not there: None is a value."""

TEXT = frozenset("title description examples $comment $schema $id deprecated readOnly writeOnly".split())
"""Keywords for readers: they allow and forbid nothing."""
_APART = frozenset("properties required anyOf oneOf $ref $defs definitions type enum const".split())
_LOWER = frozenset("minimum exclusiveMinimum minLength minItems minProperties minContains".split())
_UPPER = frozenset("maximum exclusiveMaximum maxLength maxItems maxProperties maxContains".split())
_FORMS = frozenset("pattern format contentEncoding contentMediaType multipleOf".split())
_MOST_NESTED = 8
_BELOW = {
    "items": "items",
    "additionalItems": "further items",
    "additionalProperties": "undeclared fields",
    "unevaluatedProperties": "undeclared fields",
}


@dataclass(frozen=True, slots=True)
class Turned:
    """One place where the schemas differ."""

    turn: Turn
    where: str
    said: str
    before: Any = ABSENT
    after: Any = ABSENT


@dataclass(slots=True)
class _Compared:
    before: Any
    after: Any
    seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Pairs of references already followed: a schema may refer to itself."""


def turns(before: Any, after: Any) -> list[Turned]:
    """Every difference between two schemas, once.

    Example:
        >>> [(t.turn, t.where) for t in turns({"type": "string"}, {"type": ["null", "string"]})]
        [('wider', '')]
    """
    try:
        if canonical(before) == canonical(after):
            return []
        found = list(_schema(before, after, "", _Compared(before, after)))
    except RecursionError:  # a server may send what no person wrote
        return [Turned("other", "", "nested too deeply to be compared", before, after)]
    return list({(one.turn, one.where, one.said): one for one in found}.values())


@dataclass(frozen=True, slots=True)
class _Way:
    """One alternative of a schema, and the reference that it stood behind."""

    body: Mapping[str, Any]
    reference: str = ""


def _schema(before: Any, after: Any, where: str, over: _Compared) -> Iterator[Turned]:
    if _known(_reference(before), _reference(after), over):
        return
    then, now = _alternatives(before, over.before), _alternatives(after, over.after)
    if len(then) == len(now) == 1:
        yield from _alternative(then[0].body, now[0].body, where, over)
        return
    yield from _texts(_mapping(resolved(before, over.before)), _mapping(resolved(after, over.after)), where)
    pairs, gone, come = _paired(then, now)
    for one, other in pairs:
        if not _known(one.reference, other.reference, over):
            yield from _alternative(one.body, other.body, where, over)
    for way in gone:
        yield Turned("narrower", where, f"{_kind(way.body)} is no longer allowed", way.body)
    for way in come:
        yield Turned("wider", where, f"{_kind(way.body)} is now allowed", ABSENT, way.body)


def _known(then: str, now: str, over: _Compared) -> bool:
    """Whether what stands behind two references was compared already; from now on it was."""
    if not then and not now:
        return False
    known = (then, now) in over.seen
    over.seen.add((then, now))
    return known


def _reference(schema: Any) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, Mapping) else ""


def _mapping(schema: Any) -> Mapping[str, Any]:
    if isinstance(schema, Mapping):
        return cast("Mapping[str, Any]", schema)
    return {"not": {}} if schema is False else {}


def _alternatives(schema: Any, root: Any, depth: int = 0) -> list[_Way]:
    """A schema as the alternatives it allows; one, where it is none of them in particular."""
    body = _mapping(resolved(schema, root))
    reference = _reference(schema) if depth else ""
    for key in ("anyOf", "oneOf"):
        only_that = not set(body) - {key, "default", "$defs", "definitions"} - TEXT
        if isinstance(body.get(key), list) and only_that and depth < _MOST_NESTED:
            return [one for branch in body[key] for one in _alternatives(branch, root, depth + 1)]
    if isinstance(body.get("type"), list) and body["type"]:
        return [
            _Way({**body, "type": kind}, f"{reference}:{kind}" if reference else "") for kind in body["type"]
        ]
    return [_Way(body, reference)]


def _paired(
    then: Sequence[_Way], now: Sequence[_Way]
) -> tuple[list[tuple[_Way, _Way]], list[_Way], list[_Way]]:
    """Which alternative became which: the same one first, then one of the same kind."""
    pairs: list[tuple[_Way, _Way]] = []
    gone, come = list(then), list(now)
    by: Callable[[Any], str]
    for by in (canonical, _kind, _wide_kind):
        for one in list(gone):
            match = next((other for other in come if by(other.body) == by(one.body)), None)
            if match is not None:
                pairs.append((one, match))
                gone = [other for other in gone if other is not one]
                come = [other for other in come if other is not match]
    return pairs, gone, come


def canonical(value: Any) -> str:
    """A value as text that does not depend on the order of keys.

    Example:
        >>> canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})
        True
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=repr)


def _kind(body: Mapping[str, Any]) -> str:
    if "type" in body:
        return str(body["type"])
    if "enum" in body or "const" in body:
        return "one of given values"
    return "object" if "properties" in body else "anything"


def _wide_kind(body: Mapping[str, Any]) -> str:
    kind = _kind(body)
    return "number" if kind == "integer" else kind


def _alternative(
    then: Mapping[str, Any], now: Mapping[str, Any], where: str, over: _Compared
) -> Iterator[Turned]:
    yield from _types(then, now, where)
    yield from _values(then, now, where)
    yield from _properties(then, now, where, over)
    yield from _texts(then, now, where)
    for key in sorted(set(then) | set(now)):
        if key in TEXT or key in _APART or key == "default":
            continue
        one, other = then.get(key, ABSENT), now.get(key, ABSENT)
        if key in _BELOW and (one is False) != (other is False):
            turn: Turn = "narrower" if other is False else "wider"
            said = f"{_BELOW[key]} are {'no longer' if other is False else 'now'} allowed"
            yield Turned(turn, f"{where}/{key}", said, one, other)
        elif key in _BELOW and not isinstance(one, list) and not isinstance(other, list):
            below = [({} if value is ABSENT else value) for value in (one, other)]
            yield from _schema(below[0], below[1], f"{where}/{key}", over)
        elif canonical(one) != canonical(other):
            yield _keyword(key, one, other, where)
    for key in ("anyOf", "oneOf"):  # beside other keywords, or there would be no single alternative here
        if canonical(then.get(key)) != canonical(now.get(key)):
            yield Turned(
                "other", f"{where}/{key}", f"{key} changed", then.get(key, ABSENT), now.get(key, ABSENT)
            )


def _types(then: Mapping[str, Any], now: Mapping[str, Any], where: str) -> Iterator[Turned]:
    one, other = then.get("type", ABSENT), now.get("type", ABSENT)
    if one == other:
        return
    said = f"type {_shown(one)} -> {_shown(other)}"
    turn: Turn = "other"
    if one is ABSENT or (one == "number" and other == "integer"):
        turn = "narrower"
    elif other is ABSENT or (one == "integer" and other == "number"):
        turn = "wider"
    yield Turned(turn, where, said, one, other)


def _values(then: Mapping[str, Any], now: Mapping[str, Any], where: str) -> Iterator[Turned]:
    one, other = _given(then), _given(now)
    if one is None or other is None:
        if one is not None:
            yield Turned("wider", where, "any value is allowed, no longer only given ones", one, ABSENT)
        elif other is not None:
            yield Turned("narrower", where, "only given values are allowed now", ABSENT, other)
        return
    old, new = {canonical(value) for value in one}, {canonical(value) for value in other}
    if old - new:
        yield Turned("narrower", where, f"no longer allowed: {', '.join(sorted(old - new))}", one, other)
    if new - old:
        yield Turned("wider", where, f"now allowed too: {', '.join(sorted(new - old))}", one, other)


def _given(body: Mapping[str, Any]) -> list[Any] | None:
    if "const" in body:
        return [body["const"]]
    return list(body["enum"]) if isinstance(body.get("enum"), list) else None


def _properties(
    then: Mapping[str, Any], now: Mapping[str, Any], where: str, over: _Compared
) -> Iterator[Turned]:
    old, new = _mapping(then.get("properties")), _mapping(now.get("properties"))
    must, musts = _names(then), _names(now)
    for name in sorted(old.keys() | new.keys() | must | musts):
        here = f"{where}/properties/{name}"
        if name in old and name not in new:
            yield Turned("field-removed", here, f"{name} is gone", old[name])
        elif name in new and name not in old:
            yield Turned(
                "required" if name in musts else "field-added", here, f"{name} is new", ABSENT, new[name]
            )
            continue
        elif name in old:
            yield from _schema(old[name], new[name], here, over)
            yield from _default(_mapping(old[name]), _mapping(new[name]), here)
        if name in musts and name not in must:
            yield Turned("required", here, f"{name} is required now")
        elif name in must and name not in musts and (name in new or name not in old):
            yield Turned("optional", here, f"{name} is no longer required")


def _names(body: Mapping[str, Any]) -> set[str]:
    required = body.get("required")
    return {str(name) for name in required} if isinstance(required, list) else set()


def _default(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> Iterator[Turned]:
    then, now = one.get("default", ABSENT), other.get("default", ABSENT)
    if canonical(then) != canonical(now):
        yield Turned("default", where, f"default {_shown(then)} -> {_shown(now)}", then, now)


def _texts(then: Mapping[str, Any], now: Mapping[str, Any], where: str) -> Iterator[Turned]:
    for key in sorted(TEXT):
        one, other = then.get(key, ABSENT), now.get(key, ABSENT)
        if canonical(one) != canonical(other):
            yield Turned("text", f"{where}/{key}", f"{key} changed", one, other)


def _keyword(key: str, one: Any, other: Any, where: str) -> Turned:
    said = f"{key} {_shown(one)} -> {_shown(other)}"
    turn: Turn = "other"
    if key in _LOWER | _UPPER | _FORMS or key in ("uniqueItems", "allOf", "contains", "propertyNames", "not"):
        if one is ABSENT or (key == "uniqueItems" and other is True):
            turn = "narrower"
        elif other is ABSENT or (key == "uniqueItems" and one is True):
            turn = "wider"
        elif key in _LOWER | _UPPER and isinstance(one, int | float) and isinstance(other, int | float):
            turn = "narrower" if (other > one) == (key in _LOWER) else "wider"
    elif key.startswith("x-"):
        turn = "text"
    return Turned(turn, f"{where}/{key}", said, one, other)


def _shown(value: Any) -> str:
    return "none" if value is ABSENT else canonical(value)
