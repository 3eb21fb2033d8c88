"""What plain data does not say of a value, and the value made again: its classes, tuples, sets and keys that are no text.

A form is a mapping of JSON pointers to the kind of what stands there; what else has to be known of it stands below `~` and a
letter, which no pointer to a value holds. Making a value again imports nothing and unpickles nothing: only classes that
the program has loaded by itself are used, and of these only those whose public constructors take what was kept.
"""

from __future__ import annotations

import ast
import base64
import builtins
import collections.abc as abc
import dataclasses
import datetime as dt
import decimal
import enum
import sys
import types
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, cast

import msgspec

from gapless.records.value import digest, encode, to_plain

Form = dict[str, str]
_INT_KEYS = "{int}"
_LOST = "{lost}"
"""Stands for a value that its plain data says too little of: two keys that read the same, an exception with more in it."""
_KEY, _SET_FIELDS, _ARRAY, _FACTORY = "~k", "~s", "~a", "~f"
_ATOMS = (str, float, bool, bytes, type(None))
_BUILTINS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "mappingproxy": types.MappingProxyType,
    "int": int,
}
_FACTORIES = ("list", "dict", "set", "int", "float", "str", "tuple", "bool")
_WHOLE = "model_validate"


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
    made = _Making(form).made(plain, "")
    found = form_of(made)
    other = [at for at, said in form.items() if found.get(at) != said]
    if other or digest(encode(to_plain(made))) != digest(encode(plain)):
        raise CannotRebuild(f"{_named(form)} comes out different from what was recorded")
    return made


def fitted(plain: Any, form: Mapping[str, str]) -> Any:
    """Another value in the classes of a recorded one, wherever it fits them; as plain data where it does not.

    Example:
        >>> fitted({"span": [1, 2, 3], "day": "soon"}, {"/span": "tuple", "/day": "datetime:date"})
        {'span': (1, 2, 3), 'day': 'soon'}
    """
    return _Making(form, lenient=True).made(plain, "") if form else plain


def misfit(plain: Any, form: Mapping[str, str]) -> str | None:
    """The class of which a recorded value was and another one cannot be; None where that can stand for it.

    Example:
        >>> misfit("soon", {"": "datetime:date"}), misfit("2026-01-02", {"": "datetime:date"})
        ('datetime:date', None)
    """
    name = form.get("", "")
    return name if ":" in name and _name(type(fitted(plain, form))) != name else None


# -- noting -----------------------------------------------------------------------------------------------------------


def _note(value: Any, at: str, form: Form, inside: set[int]) -> None:
    kind = cast("type[Any]", type(value))
    if kind in _ATOMS or id(value) in inside:
        return
    if kind is int:
        if not -(2**63) <= value < 2**64:
            form[at] = "int"  # plain data carries 64 bits, and a larger number as text
        return
    inside.add(id(value))
    if kind is not dict and kind is not list:
        form[at] = _name(kind)
    for name, inner in _parts(value, at, form):
        _note(inner, f"{at}/{name}", form, inside)
    inside.discard(id(value))


def _parts(value: Any, at: str, form: Form) -> list[tuple[str, Any]]:
    """What stands inside a value, by the names under which its plain data has it."""
    if isinstance(value, Mapping):
        return _entries(cast("Mapping[Any, Any]", value), at, form)
    if isinstance(value, (set, frozenset)):
        items = cast("set[Any]", value)
        if all(type(item) in _ATOMS or type(item) is int for item in items):
            return []
        return [
            (str(index), one)
            for index, one in enumerate(sorted(items, key=lambda one: encode(to_plain(one))))
        ]
    if isinstance(value, (list, tuple)):
        return [(str(index), one) for index, one in enumerate(cast("list[Any]", value))]
    if isinstance(value, BaseException):
        if value.args != (str(value),):
            form[at] = _LOST
        return []
    if _is_array(type(value)):
        form[f"{at}/{_ARRAY}"] = f"{value.dtype.str} {','.join(map(str, value.shape))}"
        if value.dtype.hasobject or value.dtype.names:
            form[at] = _LOST
        return []
    return [(_escaped(name), inner) for name, inner in _fields(value, at, form).items()]


def _entries(value: Mapping[Any, Any], at: str, form: Form) -> list[tuple[str, Any]]:
    texts = [_text(key) for key in value]
    if len(set(texts)) < len(texts):
        form[at] = _LOST  # two keys read the same
    elif type(value) is dict and value and all(type(key) is int for key in value):
        form[at] = _INT_KEYS
    else:
        for key, text in zip(value, texts, strict=True):
            if type(key) is not str:
                form[f"{at}/{_KEY}/{_escaped(text)}"] = _name(type(key))
                if not _same_key(key, text):
                    form[at] = _LOST
    if isinstance(value, defaultdict):
        factory = getattr(value.default_factory, "__name__", "")
        known = factory in _FACTORIES and value.default_factory is getattr(builtins, factory)
        form[f"{at}/{_FACTORY}" if known else at] = factory if known else _LOST
    return [(_escaped(text), inner) for text, inner in zip(texts, value.values(), strict=True)]


def _fields(value: Any, at: str, form: Form) -> dict[str, Any]:
    """The fields of a value whose fields may hold anything; none for a value that is one piece."""
    if hasattr(value, _WHOLE):
        if getattr(value, "__pydantic_root_model__", False):
            return {}
        fields = {**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}
        given = cast("set[str]", value.model_fields_set)
        if given != set(fields):  # what was left out is no update, where a graph is handed a model
            form[f"{at}/{_SET_FIELDS}"] = ",".join(sorted(given))
        return fields
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


def _text(key: Any) -> str:
    """A key as plain data has it."""
    return "base64:" + base64.b64encode(key).decode("ascii") if isinstance(key, bytes) else str(key)


def _same_key(key: Any, text: str) -> bool:
    try:
        again = _key(_name(type(key)), text)
    except Exception:  # somebody else's constructor may raise anything
        return False
    return type(again) is type(key) and again == key


def _is_array(kind: type[Any]) -> bool:
    return kind.__module__ == "numpy" and kind.__name__ == "ndarray"


# -- making -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Making:
    """Makes a value again, from inside to outside."""

    form: Mapping[str, str]
    lenient: bool = False
    """Whether what cannot be made stays plain data."""

    def made(self, plain: Any, at: str) -> Any:
        """The value at a place, and all that is in it."""
        name = self.form.get(at)
        inner = self._inside(plain, at)
        if name is None:
            return inner
        try:
            return self._again(name, inner, plain, at)
        except Exception as error:  # somebody else's constructor may raise anything
            if self.lenient:
                return inner
            if isinstance(error, CannotRebuild):
                raise
            text = f"{name} does not take its own fields: {type(error).__name__}: {error}"
            raise CannotRebuild(text) from error

    def _inside(self, plain: Any, at: str) -> Any:
        if isinstance(plain, dict):
            items = cast("dict[str, Any]", plain).items()
            return {self._key(at, key): self.made(inner, f"{at}/{_escaped(key)}") for key, inner in items}
        if isinstance(plain, list):
            items = enumerate(cast("list[Any]", plain))
            return [self.made(inner, f"{at}/{index}") for index, inner in items]
        return plain

    def _key(self, at: str, text: str) -> Any:
        name = self.form.get(f"{at}/{_KEY}/{_escaped(text)}")
        return text if name is None else _key(name, text)

    def _again(self, name: str, inner: Any, plain: Any, at: str) -> Any:
        if name == _LOST:
            raise CannotRebuild("it holds something of which plain data says too little")
        if name == _INT_KEYS:
            return {int(key): value for key, value in inner.items()}
        if ":" not in name:
            return _builtin(name, inner)
        cls = _loaded(name)
        if hasattr(cls, _WHOLE):
            return self._model(cls, inner, plain, at)
        if _is_array(cls):
            dtype, _, shape = self.form[f"{at}/{_ARRAY}"].partition(" ")
            made = sys.modules["numpy"].array(inner, dtype=dtype)
            return made if self.lenient else made.reshape([int(n) for n in shape.split(",") if n])
        if issubclass(cls, defaultdict):
            return cls(getattr(builtins, self.form[f"{at}/{_FACTORY}"]), inner)
        return _constructed(cls, inner, plain)

    def _model(self, cls: Any, inner: Any, plain: Any, at: str) -> Any:
        """A pydantic model: its own validation looks at all of it."""
        try:
            made = cls.model_validate(inner, by_name=True)
        except Exception:  # a field that wants what was written, and not what was meant
            made = cls.model_validate(plain, by_name=True)
        said = self.form.get(f"{at}/{_SET_FIELDS}")
        if said is not None:
            left_out = made.model_fields_set - set(said.split(","))
            if self.lenient:
                left_out = {name for name in left_out if getattr(made, name) is None}
            made.model_fields_set.difference_update(left_out)
        return made


def _builtin(name: str, inner: Any) -> Any:
    if name in _BUILTINS:
        return _BUILTINS[name](inner)
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        return kind(inner["message"])
    return inner  # a subclass of a plain one


def _constructed(cls: Any, inner: Any, plain: Any) -> Any:
    """A class that takes what its plain data holds. Any other class is somebody's, who may do anything: it is not called."""
    kind: Any = cls  # what it takes is known only here
    if issubclass(cls, enum.Enum):
        return _member(cls, plain)
    for kinds, make in _SCALARS:
        if issubclass(cls, kinds):
            return make(cls, plain)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls, inner)
    if isinstance(inner, dict) and (issubclass(cls, msgspec.Struct) or hasattr(cls, "_fields")):
        return cls(**cast("dict[str, Any]", inner))
    if isinstance(inner, list) and issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return cls(*cast("list[Any]", inner))
    if issubclass(cls, Exception):
        return kind(plain["message"])
    if issubclass(cls, _TAKING) or hasattr(cls, "tolist"):
        return kind(inner)
    raise TypeError("it has no public way to be made again")


_TAKING = (dict, list, tuple, set, frozenset, str, int, float, bytes, bytearray, abc.Mapping)
_SCALARS: tuple[tuple[Any, Callable[[Any, Any], Any]], ...] = (
    ((dt.datetime, dt.date, dt.time), lambda cls, plain: cls.fromisoformat(plain)),
    (dt.timedelta, lambda cls, plain: cls(microseconds=round(plain * 1e6))),
    ((decimal.Decimal, uuid.UUID, PurePath), lambda cls, plain: cls(plain)),
)


def _member(cls: Any, plain: Any) -> Any:
    try:
        return cls(plain)
    except ValueError:
        return next(member for member in cls if to_plain(member.value) == plain)


def _dataclass(cls: Any, plain: dict[str, Any]) -> Any:
    fields = dataclasses.fields(cls)
    unknown = set(plain) - {field.name for field in fields}
    if unknown:
        raise TypeError(f"it has no field {min(unknown)}")
    made = cls(**{field.name: plain[field.name] for field in fields if field.init and field.name in plain})
    for field in fields:
        if not field.init and field.name in plain:
            object.__setattr__(made, field.name, plain[field.name])
    return made


def _key(name: str, text: str) -> Any:
    """A key that is no text, from the text that stands for it."""
    if name == "bytes":
        return base64.b64decode(text.removeprefix("base64:"))
    if name == "float":
        return float(text)
    if ":" not in name:
        return ast.literal_eval(text)
    cls = _loaded(name)
    if issubclass(cls, enum.Enum):
        return next(member for member in cls if str(member) == text)
    return _constructed(cls, text, text)


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
