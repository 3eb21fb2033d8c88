"""A value has another shape than its declared schema, or than nearly all other trials show: renamed field, other type."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import msgspec

from gapless.boundary.schemas import DeclaredSchema, LearntSchema, is_data_key, joined, kind_of
from gapless.boundary.suspicions.normal import RARE, SUPPORT, USUAL, Normal, Source, is_usual
from gapless.boundary.suspicions.places import places_in
from gapless.boundary.suspicions.reading.story import Result, Story
from gapless.boundary.suspicions.reading.symptoms import SIGN_KEYS, is_empty, looks_like_cut_json

NAME = "schema-breach"
_MAX_SHOWN = 3
_KINDS = frozenset(("type", "enum", "const", "anyOf", "oneOf", "allOf"))


@dataclass(frozen=True, slots=True)
class LostKeys:
    """Keys that an object usually has and here has not."""

    missing: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    """(usual key, the key that stands in its place)"""
    trials: int
    """Trials in which the rarest of the missing keys was there."""
    of: int


def find(story: Story, normal: Normal) -> Iterator[tuple[int, str]]:
    """The events whose value breaks its schema, each with the places."""
    for result in story.results:
        if not result.judged:
            continue
        written = normal.declared.get(result.source) if result.kind != "text" else None
        declared = _declared(msgspec.json.encode(written)) if written is not None else None
        breaches = list(_odd(result, normal.source(result.source), declared))
        if declared is not None:
            against = declared.breaches(_as_json(result.value), null=True)
            breaches = [f"against its declared schema, {breach}" for breach in against] + breaches
        if breaches:
            yield result.event, f"{result.named}: {'; '.join(dict.fromkeys(breaches[:_MAX_SHOWN]))}"


def lost_keys(value: Any, source: Source) -> Iterator[tuple[str, LostKeys, bool]]:
    """For each object in a value that lacks usual keys: its place, the keys, and whether any usual key is left."""
    told: set[str] = set()
    known: dict[str, dict[str, int]] = {}
    for path, inner in places_in(value):
        here = source.places.get(path)
        if not isinstance(inner, dict) or here is None or path in told:
            continue
        if path not in known:
            known[path] = _usual_keys(path, here.objects, source)
        usual = known[path]
        missing = tuple(sorted(usual.keys() - inner.keys()))
        if missing:
            told.add(path)
            trials = min(usual[key] for key in missing)
            renamed = tuple(_renamed(path, missing, cast("dict[str, Any]", inner), source))
            yield path, LostKeys(missing, renamed, trials, here.objects), len(missing) < len(usual)


def _usual_keys(path: str, objects: int, source: Source) -> dict[str, int]:
    prefix = f"{path}." if path else ""
    found: dict[str, int] = {}
    for name, place in source.places.items():
        key = name[len(prefix) :]
        is_key = name.startswith(prefix) and key and "." not in key and not key.endswith("[]")
        if is_key and key not in SIGN_KEYS and is_usual(place.full, objects):
            found[key] = place.full
    return found


def _renamed(
    path: str, missing: tuple[str, ...], value: dict[str, Any], source: Source
) -> Iterator[tuple[str, str]]:
    """Pairs a missing key with a key that is rare and holds the same kind of value."""
    objects = source.places[path].objects
    strange = [key for key in value if not is_data_key(key) and _is_rare(joined(path, key), objects, source)]
    for key in missing:
        schema = _schema_at(joined(path, key), source.schema)
        kinds = _shares(schema).keys() if schema is not None else ()
        match = next((new for new in strange if _pooled(kind_of(value[new])) in kinds), None)
        if match is not None:
            strange.remove(match)
            yield key, match


def _is_rare(path: str, objects: int, source: Source) -> bool:
    place = source.places.get(path)
    return place is None or place.trials <= RARE * objects


def _odd(result: Result, source: Source, declared: DeclaredSchema | None) -> Iterator[str]:
    """What the other trials do not show. Where the author has declared which keys and kinds there are, that holds."""
    if result.kind == "text":
        return
    for path, lost, _kept in lost_keys(result.value, source):
        renamed = lost.renamed if declared is None or "required" not in declared.at(path) else ()
        for old, new in renamed:
            yield f"{joined(path, new)!r} stands where {old!r} is in {lost.trials} of {lost.of} trials"
    for path, value in places_in(result.value):
        schema = _schema_at(path, source.schema)
        known = schema is not None and (declared is None or not _KINDS & declared.at(path).keys())
        if schema is not None and known and not is_empty(value) and not looks_like_cut_json(value):
            yield from _odd_kind(path, value, schema)


def _odd_kind(path: str, value: Any, schema: LearntSchema) -> Iterator[str]:
    kind, shares = _pooled(kind_of(value)), _shares(schema)
    total = sum(shares.values())
    if kind == "null" or not total:
        return
    common, count = max(shares.items(), key=lambda pair: (pair[1], pair[0]))
    if shares.get(kind, 0) <= RARE * total and count >= max(SUPPORT, USUAL * total):
        yield f"{path or 'the whole'} is {kind} ({str(value)[:40]!r}); {count} of {total} others are {common}"


def _shares(schema: LearntSchema) -> dict[str, int]:
    """Kind -> values that had it; whole and other numbers are one kind, and null is no kind."""
    shares: dict[str, int] = {}
    for kind, count in schema.kinds.items():
        if kind != "null":
            shares[_pooled(kind)] = shares.get(_pooled(kind), 0) + count
    return shares


def _pooled(kind: str) -> str:
    return "number" if kind == "integer" else kind


def _schema_at(path: str, schema: LearntSchema) -> LearntSchema | None:
    found: LearntSchema | None = schema
    for part in path.split(".") if path else ():
        name = part.rstrip("[]")
        found = found.field(name) if found is not None and name else found
        for _ in range(part.count("[]")):
            found = found.items if found is not None else None
    return found


@lru_cache(maxsize=64)
def _declared(schema: bytes) -> DeclaredSchema:
    return DeclaredSchema(msgspec.json.decode(schema))


def _as_json(value: Any) -> Any:
    """A plain value as a JSON Schema can read it: bytes are texts, and numbers are finite."""
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in cast("list[Any]", value)]
    if isinstance(value, bytes):
        return ""
    return 0.5 if isinstance(value, float) and not math.isfinite(value) else value
