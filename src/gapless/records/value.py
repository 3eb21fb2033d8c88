"""Turns any Python value a workflow hands over into plain data, bytes and a digest; it never unpickles.

Plain data is what JSON knows (None, bool, int, float, str, list, dict with string keys) plus bytes. Everything a
report shows, a check reads or a golden is compared with is plain data.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import hashlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, cast

import msgspec

UNSERIALISABLE = "$unserialisable"
OMITTED = "$omitted"
REDACTED = "[redacted]"
"""What stands where a value must not be kept."""
_MAX_DEPTH = 64
_PLAIN_ATOMS = frozenset((str, int, float, bool, type(None), bytes))
_SAME = _PLAIN_ATOMS - {int}  # what stays as it is: an integer may be too large
_MARK = UNSERIALISABLE.encode()
# An enum's value, and subclasses of the atoms (numpy.float64, str subclasses), lose their class and keep their value.
_SCALARS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (enum.Enum, lambda v: to_plain(v.value)),
    ((dt.datetime, dt.date, dt.time), lambda v: v.isoformat()),
    (dt.timedelta, lambda v: v.total_seconds()),
    ((decimal.Decimal, uuid.UUID, PurePath), str),
    ((bytearray, memoryview, bytes), bytes),
    (bool, bool),
    (int, lambda v: _bounded_int(int(v))),
    (float, float),
    (str, str.__str__),
)
_BLAKE = hashlib.blake2b(digest_size=16)
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder()


def to_plain(value: Any) -> Any:
    """Plain data for any value; what has no plain form becomes `{"$unserialisable": type, "repr": ...}`.

    Never raises: a step result that cannot be serialised must not break the workflow it came from.

    Example:
        >>> to_plain({"when": dt.date(2026, 1, 2), "tags": {"b", "a"}})
        {'when': '2026-01-02', 'tags': ['a', 'b']}
    """
    return _plain(value, 0, _Walk())


def to_plain_form(value: Any) -> tuple[Any, bool]:
    """Plain data for any value, and whether it says less than the value did: classes, tuples and keys that are no text."""
    walk = _Walk()
    return _plain(value, 0, walk), walk.converted


class _Walk(set[int]):
    """The containers a walk is inside of, by identity."""

    converted = False
    """Whether something on the way was no plain data."""


def _plain(value: Any, depth: int, inside: _Walk) -> Any:
    kind = type(value)
    if kind in _PLAIN_ATOMS:
        if kind is not int or -(2**63) <= value < 2**64:
            return value
        inside.converted = True
        return _bounded_int(value)
    if depth > _MAX_DEPTH:
        return {UNSERIALISABLE: kind.__name__, "repr": "nested deeper than 64 levels"}
    mark = id(value)
    if mark in inside:  # unrolled to the depth limit, a branching cycle would never end
        return {UNSERIALISABLE: _type_name(value), "repr": "refers to itself"}
    inside.add(mark)
    try:
        if kind is dict:
            items = cast("dict[Any, Any]", value).items()
            return {
                (k if type(k) is str else _key(k, inside)): (
                    v if type(v) in _SAME else _plain(v, depth + 1, inside)
                )
                for k, v in items
            }
        if kind is list:
            values = cast("list[Any]", value)
            return [v if type(v) in _SAME else _plain(v, depth + 1, inside) for v in values]
        inside.converted = True
        if kind is tuple:
            return [_plain(v, depth + 1, inside) for v in cast("tuple[Any, ...]", value)]
        return _convert(value, depth, inside)
    except Exception as error:  # a foreign object may raise anything while it is being read
        return {UNSERIALISABLE: _type_name(value), "repr": f"{type(error).__name__} while reading it"}
    finally:
        inside.discard(mark)


def is_unserialisable(plain: Any) -> bool:
    """Whether plain data contains a value that had no plain form, at any depth."""
    if isinstance(plain, dict):
        items = cast("dict[str, Any]", plain)
        return UNSERIALISABLE in items or any(is_unserialisable(v) for v in items.values())
    return isinstance(plain, list) and any(is_unserialisable(v) for v in cast("list[Any]", plain))


def may_be_unserialisable(data: bytes) -> bool:
    """Whether plain data with these bytes can contain a value that had no plain form: a look, and no walk."""
    return b"$" in data and _MARK in data  # one byte is found many times faster than fifteen


def is_redacted(plain: Any) -> bool:
    """Whether something in plain data was masked, at any depth."""
    if isinstance(plain, str):
        return REDACTED in plain
    if isinstance(plain, dict):
        items = cast("dict[str, Any]", plain).items()
        return any(REDACTED in key or is_redacted(inner) for key, inner in items)
    return isinstance(plain, list) and any(is_redacted(inner) for inner in cast("list[Any]", plain))


def encode(plain: Any) -> bytes:
    """Canonical bytes of plain data: equal values give equal bytes, whatever order their keys came in."""
    return _encoder.encode(plain)


def decode(data: bytes) -> Any:
    """Plain data from `encode`'s bytes."""
    return _decoder.decode(data)


def digest(data: bytes) -> str:
    """Content address of bytes: 32 hex digits of BLAKE2b-128."""
    hashed = _BLAKE.copy()  # a quarter cheaper than a new one
    hashed.update(data)
    return hashed.hexdigest()


def omitted(reason: str, size: int) -> dict[str, Any]:
    """The plain stand-in for a value that was too large to keep."""
    return {OMITTED: reason, "bytes": size}


def _convert(value: Any, depth: int, inside: _Walk) -> Any:
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_key(k, inside): _plain(v, depth + 1, inside) for k, v in items}
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(v, depth + 1, inside) for v in cast("set[Any]", value)), key=encode)
    if isinstance(value, (list, tuple)):
        return [_plain(v, depth + 1, inside) for v in cast("list[Any]", value)]
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    for kinds, convert in _SCALARS:
        if isinstance(value, kinds):
            return convert(value)
    return _convert_object(value, depth, inside)


def _convert_object(value: Any, depth: int, inside: _Walk) -> Any:
    if hasattr(value, "model_dump"):  # pydantic models, LangChain messages among them
        return _plain(value.model_dump(), depth + 1, inside)
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.structs.asdict(value), depth + 1, inside)
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return _plain(value.tolist(), depth + 1, inside)
    if hasattr(value, "_asdict"):
        return _plain(value._asdict(), depth + 1, inside)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name), depth + 1, inside) for field in fields}
    return {UNSERIALISABLE: _type_name(value), "repr": repr(value)[:200]}


def _bounded_int(value: int) -> Any:
    # msgpack carries 64 bits; a larger integer keeps its digits as text rather than losing them
    return value if -(2**63) <= value < 2**64 else str(value)


def _key(key: Any, inside: _Walk) -> str:
    if type(key) is str:
        return key
    inside.converted = True
    if isinstance(key, bytes):
        return "base64:" + base64.b64encode(key).decode("ascii")
    return str(key)


def _type_name(value: Any) -> str:
    kind = cast("type[Any]", type(value))
    return f"{kind.__module__}.{kind.__qualname__}"
