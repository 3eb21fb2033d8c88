"""Schema guard: a handoff has the declared keys and types, and no others.

A pydantic model, TypedDict, dataclass, msgspec Struct, any other annotation, or a JSON Schema. Frameworks let a wrong
handoff pass: LangGraph drops unknown keys without a word and does not look at what the last step returns.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, ClassVar, NamedTuple, cast, get_type_hints, is_typeddict

import msgspec

from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.base import Breach
from gapless.errors import InvalidContract, MissingExtra, SchemaBreach
from gapless.records.value import to_plain

_SHOWN = 3
_LENGTH = 200
_MISSING = "Object missing required field"

Problems = Callable[[Any], Iterable[str]]
"""What is wrong with a handoff, in words; nothing when it is as declared."""


@dataclasses.dataclass(frozen=True)
class SchemaGuard:
    """Holds a handoff against what the contract declares as its output."""

    name: ClassVar[str] = "schema"

    output: Any
    """The declared type, or a JSON Schema as a dict."""
    partial: bool = False
    """Whether keys may be missing: a step that hands over part of a state declares the whole state."""

    def __post_init__(self) -> None:
        self.problems  # noqa: B018 - a declaration that cannot be used is refused when it is made

    @cached_property
    def problems(self) -> Problems:
        """The check that the declaration stands for."""
        if isinstance(self.output, Mapping):
            return _json_schema(msgspec.json.encode(self.output))
        try:
            return _of_type(self.output, self.partial)
        except TypeError as error:
            raise InvalidContract(f"{self.output!r} cannot be used as an output schema: {error}") from error

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """The first few places where the handoff is not as declared."""
        found = list(islice(self.problems(handoff), _SHOWN + 1))
        if not found:
            return None
        more = "; and more" if len(found) > _SHOWN else ""
        return Breach(self.name, f"{'; '.join(found[:_SHOWN])}{more}", SchemaBreach)


class _Fields(NamedTuple):
    known: frozenset[str]
    required: frozenset[str]


@lru_cache(maxsize=512)
def _json_schema(encoded: bytes) -> Problems:
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(encoded.decode())
    except Exception as error:  # a reference that leads nowhere is a class of its own
        raise InvalidContract(f"this is no JSON Schema: {error}") from error

    def problems(handoff: Any) -> Iterable[str]:
        for error in validator.iter_errors(to_plain(handoff)):
            place = ".".join(str(part) for part in error.instance_path)
            yield f"{place}: {error.message}"[:_LENGTH] if place else error.message[:_LENGTH]

    return problems


@lru_cache(maxsize=512)
def _of_type(declared: Any, partial: bool) -> Problems:
    """A check for an annotation; pydantic's where pydantic models occur, msgspec's strict one elsewhere."""
    fields = _fields(declared, partial)
    convert = _converter(declared, partial)

    def problems(value: Any) -> Iterable[str]:
        if fields is not None and isinstance(value, Mapping):
            keys = cast("Mapping[Any, Any]", value).keys()
            if not fields.known.issuperset(keys):
                yield from (
                    f"unknown key {key!r}; declared are {', '.join(sorted(fields.known))}"
                    for key in keys
                    if key not in fields.known
                )
            if fields.required:
                yield from (f"{key} is missing" for key in sorted(fields.required.difference(keys)))
        for problem in convert(value):
            told = is_typeddict(declared) and problem.startswith(_MISSING) and " - at `$" not in problem
            if not told:  # a key missing at the top was told above; further down nobody else looks
                yield problem

    return problems


def _fields(declared: Any, partial: bool) -> _Fields | None:
    if is_typeddict(declared):
        required = frozenset[str]() if partial else frozenset(declared.__required_keys__)
        return _Fields(frozenset(get_type_hints(declared)), required)
    if _is_pydantic(declared):
        names = declared.model_fields
        known = {*names, *(field.alias for field in names.values() if field.alias)}
        return _Fields(frozenset(known), frozenset())
    if isinstance(declared, type) and dataclasses.is_dataclass(declared):
        return _Fields(frozenset(field.name for field in dataclasses.fields(declared)), frozenset())
    if isinstance(declared, type) and issubclass(declared, msgspec.Struct):
        return _Fields(frozenset(declared.__struct_encode_fields__), frozenset())
    return None


def _converter(declared: Any, partial: bool) -> Problems:
    if partial and is_typeddict(declared):
        hints = get_type_hints(declared)
        each = {key: _converter(hint, False) for key, hint in hints.items()}
        return lambda value: _by_key(each, value)
    if not _is_pydantic(declared):
        try:
            msgspec.json.schema(declared)  # says whether msgspec knows every type in it
        except TypeError:
            pass
        else:
            return lambda value: _by_msgspec(declared, value)
    return _by_pydantic(declared)


def _by_key(each: Mapping[str, Problems], value: Any) -> Iterable[str]:
    if not isinstance(value, Mapping):
        return [f"a {type(value).__name__} was handed over, not an object"]
    items = cast("Mapping[Any, Any]", value).items()
    return [f"{key}: {problem}" for key, inner in items if key in each for problem in each[key](inner)]


def _by_msgspec(declared: Any, value: Any) -> Iterable[str]:
    try:
        msgspec.convert(value, declared, strict=True, from_attributes=True)
    except msgspec.ValidationError as error:
        return (str(error)[:_LENGTH],)
    except (RecursionError, TypeError, ValueError) as error:
        return (f"it cannot be read: {type(error).__name__}: {error}"[:_LENGTH],)
    return ()


def _by_pydantic(declared: Any) -> Problems:
    if "pydantic" not in sys.modules and not _is_pydantic(declared):
        try:
            import pydantic  # noqa: F401  # pyright: ignore[reportUnusedImport]
        except ImportError as error:
            raise MissingExtra(f"the output schema {declared!r}", "langgraph") from error
    from pydantic import TypeAdapter, ValidationError

    adapter: Any = TypeAdapter(declared)

    def problems(value: Any) -> Iterable[str]:
        try:
            adapter.validate_python(value, strict=True, from_attributes=True)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_context=False, include_input=False):
                place = ".".join(str(part) for part in one["loc"])
                yield f"{place}: {one['msg']}"[:_LENGTH] if place else str(one["msg"])[:_LENGTH]
        except (RecursionError, TypeError) as error:
            yield f"it cannot be read: {type(error).__name__}: {error}"[:_LENGTH]

    return problems


def _is_pydantic(declared: Any) -> bool:
    return isinstance(declared, type) and hasattr(declared, "__pydantic_validator__")
