"""How one JSON Schema became another: which places became narrower or wider. The order of keys never counts.

A schema is compared as a set of alternatives (`anyOf`, `oneOf`, a list of types), and each alternative keyword by
keyword, through references. What cannot be told from the keyword alone is "other", which callers take for the worst; so
is whatever differs and was not found to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from gapless.probes.tool.schemas import TEXT, Inliner, TooLarge, canonical, resolved, target

Turn = Literal[
    "narrower", "wider", "text", "other", "field-added", "field-removed", "required", "optional", "default"
]
ABSENT = "\0absent"
"""In place of a keyword that is not there: None is a value."""

_APART = frozenset(
    "properties required anyOf oneOf allOf prefixItems patternProperties dependentSchemas discriminator $defs definitions"
    " type enum const default".split()
)
_LOWER = frozenset("minimum exclusiveMinimum minLength minItems minProperties minContains".split())
_UPPER = frozenset("maximum exclusiveMaximum maxLength maxItems maxProperties maxContains".split())
_FORMS = frozenset("pattern format contentEncoding contentMediaType multipleOf".split())
_MOST_NESTED = 8
_MOST_COMPARED = 20_000
"""Pairs of subschemas and alternatives: references can multiply."""
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


@dataclass
class _Compared:
    before: Any
    after: Any
    seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Pairs of references already followed: a schema may refer to itself."""
    left: int = _MOST_COMPARED

    def __post_init__(self) -> None:
        self.then, self.now = Inliner(self.before), Inliner(self.after)

    def step(self) -> None:
        """Counts one more comparison."""
        self.left -= 1
        if self.left < 0:
            raise TooLarge

    def same(self, key: str, one: Any, other: Any) -> bool:
        """Whether a keyword says the same, whatever its references are called."""
        return canonical(self.then.of({key: one})) == canonical(self.now.of({key: other}))


def turns(before: Any, after: Any) -> list[Turned]:
    """Every difference between two schemas, once.

    Example:
        >>> [(t.turn, t.where) for t in turns({"type": "string"}, {"type": ["null", "string"]})]
        [('wider', '')]
    """
    try:
        if canonical(before) == canonical(after):
            return []
        found = list(_all(before, after, _Compared(before, after)))
    except (RecursionError, TooLarge):  # a server may send what no person wrote
        return [Turned("other", "", "nested too deeply, or too large, to be compared", before, after)]
    return list({(one.turn, one.where, one.said): one for one in found}.values())


def _all(before: Any, after: Any, over: _Compared) -> Iterator[Turned]:
    found = list(_schema(before, after, "", over))
    yield from found
    if canonical(_unread(before)) != canonical(_unread(after)):
        yield Turned("text", "/$defs", "definitions that nothing refers to changed")
    texts = not found
    then, now = Inliner(before, texts=texts).of(before), Inliner(after, texts=texts).of(after)
    if (over.then.lost or over.now.lost) and not any(one.turn == "other" for one in found):
        yield Turned("other", "", "a reference in it cannot be followed, and it is not as it was")
    elif canonical(then) != canonical(now) and all(one.turn == "text" for one in found):
        yield Turned("other", "", "it is not as it was", before, after)


def _unread(schema: Any) -> dict[str, Any]:
    """Definitions that nothing refers to by name: they allow nothing, and a model may read them all the same."""
    body, whole = _mapping(schema), canonical(schema)
    return {
        name: one
        for key in ("$defs", "definitions")
        for name, one in _mapping(body.get(key)).items()
        if f'"#/{key}/{name}' not in whole and "$anchor" not in _mapping(one)
    }


@dataclass(frozen=True, slots=True)
class _Way:
    """One alternative of a schema, and the reference that it stood behind."""

    body: Mapping[str, Any]
    reference: str = ""


def _schema(before: Any, after: Any, where: str, over: _Compared) -> Iterator[Turned]:
    over.step()
    if _known(_reference(before), _reference(after), over):
        return
    then, now = _alternatives(before, over.before, over), _alternatives(after, over.after, over)
    if len(then) == len(now) == 1:
        yield from _alternative(then[0].body, now[0].body, where, over)
        return
    whole, other_whole = _body(before, over.before), _body(after, over.after)
    for of_whole in (_texts, _default, _tag):
        yield from of_whole(whole, other_whole, where)
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
    """A reference with what stands beside it; empty where there is none."""
    return canonical(schema) if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str) else ""


def _mapping(schema: Any) -> Mapping[str, Any]:
    if isinstance(schema, Mapping):
        return cast("Mapping[str, Any]", schema)
    return {"not": {}} if schema is False else {}


def _body(schema: Any, root: Any) -> Mapping[str, Any]:
    """A schema with its reference put in place; where that would hide a keyword, both hold, one beside the other."""
    body = _mapping(schema)
    reference = body.get("$ref")
    behind = resolved(target(root, reference), root) if isinstance(reference, str) else None
    beside = {key: one for key, one in body.items() if key != "$ref"}
    if behind is None or not set(_mapping(behind)) & set(beside) - TEXT - {"default"}:
        return _mapping(resolved(schema, root))
    further = beside.get("allOf")
    return {**beside, "allOf": [{"$ref": reference}, *(further if isinstance(further, list) else ())]}


def _alternatives(schema: Any, root: Any, over: _Compared, depth: int = 0) -> list[_Way]:
    """A schema as the alternatives it allows; one, where it is none of them in particular."""
    over.step()
    body = _body(schema, root)
    reference = _reference(schema) if depth else ""
    for key in ("anyOf", "oneOf"):
        only_that = not set(body) - {key, "default", "discriminator", "$defs", "definitions"} - TEXT
        if isinstance(body.get(key), list) and only_that and depth < _MOST_NESTED:
            return [one for branch in body[key] for one in _alternatives(branch, root, over, depth + 1)]
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
    for of_both in (_types, _values, _texts, _default, _tag):
        yield from of_both(then, now, where)
    yield from _properties(then, now, where, over)
    for key in sorted((set(then) | set(now)) - TEXT - _APART):
        one, other = then.get(key, ABSENT), now.get(key, ABSENT)
        if key in _BELOW and (one is False) != (other is False):
            turn: Turn = "narrower" if other is False else "wider"
            said = f"{_BELOW[key]} are {'no longer' if other is False else 'now'} allowed"
            yield Turned(turn, f"{where}/{key}", said, one, other)
        elif key in _BELOW and not isinstance(one, list) and not isinstance(other, list):
            below = [({} if value is ABSENT else value) for value in (one, other)]
            yield from _schema(below[0], below[1], f"{where}/{key}", over)
        elif not over.same(key, one, other):
            yield _keyword(key, one, other, where)
    yield from _several(then, now, where, over)


def _several(
    then: Mapping[str, Any], now: Mapping[str, Any], where: str, over: _Compared
) -> Iterator[Turned]:
    """Keywords that hold several schemas."""
    for key in ("anyOf", "oneOf", "allOf", "prefixItems", "patternProperties", "dependentSchemas"):
        one, other, here = then.get(key, ABSENT), now.get(key, ABSENT), f"{where}/{key}"
        if isinstance(one, list) and isinstance(other, list):
            old, new = cast("list[Any]", one), cast("list[Any]", other)
            if key in ("anyOf", "oneOf"):
                yield from _schema({key: old}, {key: new}, here, over)
            else:
                yield from _each(old, new, here, over)
        elif isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _named(_mapping(one), _mapping(other), here, over)
        elif not over.same(key, one, other):
            yield _keyword(key, one, other, where)


def _each(old: list[Any], new: list[Any], where: str, over: _Compared) -> Iterator[Turned]:
    """Schemas that all hold: in `allOf` whatever their order, in `prefixItems` each for its own place."""
    if where.endswith("/allOf"):
        told, tells = [canonical(one) for one in old], [canonical(one) for one in new]
        pairs = [
            (one, one) for one in old if canonical(one) in tells
        ]  # the same words, maybe of another definition
        old = [one for one in old if canonical(one) not in tells]
        new = [one for one in new if canonical(one) not in told]
    else:
        pairs = []
    for one, other in [*pairs, *zip(old, new, strict=False)]:
        yield from _schema(one, other, where, over)
    if len(old) != len(new):
        turn: Turn = "other"
        if where.endswith("/allOf"):
            turn = "narrower" if len(new) > len(old) else "wider"
        yield Turned(turn, where, f"{len(old)} schemas -> {len(new)}", old, new)


def _named(old: Mapping[str, Any], new: Mapping[str, Any], where: str, over: _Compared) -> Iterator[Turned]:
    """Schemas for what has, or goes with, a name."""
    for name in sorted(old.keys() | new.keys()):
        if name in old and name in new:
            yield from _schema(old[name], new[name], f"{where}/{name}", over)
        else:
            said = f"{name} {'is gone' if name in old else 'is new'}"
            yield Turned("other", f"{where}/{name}", said, old.get(name, ABSENT), new.get(name, ABSENT))


def _tag(then: Mapping[str, Any], now: Mapping[str, Any], where: str) -> Iterator[Turned]:
    """The field that tells alternatives apart; which there are is compared where they stand."""
    one, other = then.get("discriminator", ABSENT), now.get("discriminator", ABSENT)
    if canonical(one) == canonical(other):
        return
    old, new = _mapping(_mapping(one).get("mapping")), _mapping(_mapping(other).get("mapping"))
    moved = any(canonical(old[name]) != canonical(new[name]) for name in old.keys() & new.keys())
    if moved or _mapping(one).get("propertyName") != _mapping(other).get("propertyName"):
        yield Turned("other", f"{where}/discriminator", "discriminator changed", one, other)


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
    given = list(body["enum"]) if isinstance(body.get("enum"), list) else None
    if "const" not in body:
        return given
    const = canonical(body["const"])
    return [body["const"]] if given is None or const in map(canonical, given) else []


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
            kind, said = ("required", "is new and required") if name in musts else ("field-added", "is new")
            yield Turned(kind, here, f"{name} {said}", ABSENT, new[name])
            continue
        elif name in old:
            yield from _schema(old[name], new[name], here, over)
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
