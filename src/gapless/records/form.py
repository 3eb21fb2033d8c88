"""What plain data does not say of a value, and the value made again: its classes, tuples, sets and keys that are no text.

A form is a mapping of JSON pointers to the kind of what stands there. Making a value again imports nothing and unpickles
nothing: only classes that the program has loaded by itself are used, by their public constructors.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, cast

import msgspec

from gapless.records.value import digest, encode, to_plain

Form = dict[str, str]
_INT_KEYS = "{int}"
_CONTAINERS: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_WHOLE = "model_validate"  # pydantic: its own validation makes everything below


class CannotRebuild(Exception):
    """A value cannot be made again from what was kept of it; the text says why."""


def form_of(value: Any) -> Form:
    """JSON pointer -> what stands there, for everything that plain data does not say.

    Example:
        >>> form_of({"span": (1, 2), "day": dt.date(2026, 1, 2), "n": 3})
        {'/span': 'tuple', '/day': 'datetime:date'}
    """
    form: Form = {}
    _note(value, "", form, set())
    return form


def rebuild(plain: Any, form: Mapping[str, str]) -> Any:
    """The value whose plain data and form these are.

    Raises:
        CannotRebuild: A class is not loaded, or does not take its own fields; or what comes out is not the same.

    Example:
        >>> rebuild({"span": [1, 2], "day": "2026-01-02"}, {"/span": "tuple", "/day": "datetime:date"})
        {'span': (1, 2), 'day': datetime.date(2026, 1, 2)}
    """
    if not form:
        return plain
    made = _made(plain, "", form)
    if digest(encode(to_plain(made))) != digest(encode(plain)):
        raise CannotRebuild(f"{_named(form)} comes out different from what was recorded")
    return made


def _note(value: Any, at: str, form: Form, inside: set[int]) -> None:
    kind = cast("type[Any]", type(value))
    if kind in (str, int, float, bool, bytes, type(None)) or id(value) in inside:
        return
    inside.add(id(value))
    if kind is not dict and kind is not list:
        form[at] = _name(kind)
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value)
        if items and all(type(key) is int for key in items):
            form[at] = _INT_KEYS
        for key, inner in items.items():
            _note(inner, f"{at}/{_escaped(str(key))}", form, inside)
    elif isinstance(value, (list, tuple)) and not hasattr(value, "_asdict"):
        for index, inner in enumerate(cast("list[Any]", value)):
            _note(inner, f"{at}/{index}", form, inside)
    elif not hasattr(value, _WHOLE):
        for name, inner in _fields(value).items():
            _note(inner, f"{at}/{_escaped(name)}", form, inside)
    inside.discard(id(value))


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a value whose fields may hold anything; none for a value that is one piece."""
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {}


def _name(kind: type[Any]) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}:{kind.__qualname__}"


def _made(plain: Any, at: str, form: Mapping[str, str]) -> Any:
    name = form.get(at)
    cls = _loaded(name) if name is not None and ":" in name else None
    if cls is None or not hasattr(cls, _WHOLE):  # what stands below is made first
        if isinstance(plain, dict):
            items = cast("dict[str, Any]", plain).items()
            plain = {key: _made(inner, f"{at}/{_escaped(key)}", form) for key, inner in items}
        elif isinstance(plain, list):
            items = enumerate(cast("list[Any]", plain))
            plain = [_made(inner, f"{at}/{index}", form) for index, inner in items]
    if name is None:
        return plain
    if name == _INT_KEYS:
        return {int(key): inner for key, inner in plain.items()}
    if name in _CONTAINERS:
        return _CONTAINERS[name](plain)
    if cls is None:
        return plain  # a subclass of a plain one, from the builtins: nothing is lost
    try:
        return _constructed(cls, plain)
    except Exception as error:  # somebody else's constructor may raise anything
        raise CannotRebuild(
            f"{name} does not take its own fields: {type(error).__name__}: {error}"
        ) from error


def _constructed(cls: Any, plain: Any) -> Any:
    if hasattr(cls, _WHOLE):
        return cls.model_validate(plain, by_name=True)
    if issubclass(cls, enum.Enum):
        return cls(plain)
    for kinds, make in _SCALARS:
        if issubclass(cls, kinds):
            return make(cls, plain)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls, plain)
    if isinstance(plain, dict) and (issubclass(cls, msgspec.Struct) or hasattr(cls, "_fields")):
        return cls(**cast("dict[str, Any]", plain))
    if cls.__name__ == "ndarray":
        return sys.modules[cls.__module__].array(plain)
    if isinstance(plain, (dict, list, str, int, float)) and not issubclass(cls, BaseException):
        return cls(plain)  # a subclass of a container or of a scalar
    raise TypeError("it has no public way to be made again")


_SCALARS: tuple[tuple[Any, Callable[[Any, Any], Any]], ...] = (
    ((dt.datetime, dt.date, dt.time), lambda cls, plain: cls.fromisoformat(plain)),
    (dt.timedelta, lambda cls, plain: cls(seconds=plain)),
    ((decimal.Decimal, uuid.UUID, PurePath), lambda cls, plain: cls(plain)),
)


def _dataclass(cls: Any, plain: dict[str, Any]) -> Any:
    fields = dataclasses.fields(cls)
    made = cls(**{field.name: plain[field.name] for field in fields if field.init})
    for field in fields:
        if not field.init:
            object.__setattr__(made, field.name, plain[field.name])
    return made


def _loaded(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise CannotRebuild(f"the class {name} is not there any more, or is made inside a function")
    return found


def _named(form: Mapping[str, str]) -> str:
    return ", ".join(sorted({name for name in form.values() if ":" in name})) or "the value"


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
