"""Changes one place of what a step hands over, on a copy: dicts, models, dataclasses, lists, LangGraph's Command.

Only what lies on the path is copied, and nothing of the workflow's own is ever written to: a state may be shared.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec


class _Unchanged:
    """Says that there is nothing to change."""


UNCHANGED: Final = _Unchanged()
_MISSING: Final = _Unchanged()


def change(value: Any, path: str, edit: Callable[[Any], Any]) -> tuple[Any, bool]:
    """A copy of a value with `edit` applied at a dotted path, and whether anything changed.

    Args:
        value: What a step hands over.
        path: Keys, attributes or list indices, joined by dots; "" is the whole value. A Command's update is entered
            without naming it.
        edit: The new value for the old; UNCHANGED leaves all as it is.

    Example:
        >>> change({"a": {"b": 1}, "c": 2}, "a.b", lambda old: old + 1)
        ({'a': {'b': 2}, 'c': 2}, True)
    """
    changed = _changed(value, path.split(".") if path else [], edit)
    return (value, False) if changed is UNCHANGED else (changed, True)


def read(value: Any, key: str) -> Any:
    """What a value holds under a key, an attribute or a list index; UNCHANGED when it holds no such thing."""
    found = _read(value, key)
    return UNCHANGED if found is _MISSING else found


def _changed(value: Any, keys: list[str], edit: Callable[[Any], Any]) -> Any:
    if _is_command(value):
        update = _changed(value.update, keys, edit)
        return UNCHANGED if update is UNCHANGED else dataclasses.replace(value, update=update)
    if not keys:
        return edit(value)
    inner = _read(value, keys[0])
    if inner is _MISSING:
        return UNCHANGED
    changed = _changed(inner, keys[1:], edit)
    return UNCHANGED if changed is UNCHANGED else _with(value, keys[0], changed)


def _is_command(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and hasattr(value, "update") and hasattr(value, "goto")


def _read(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return cast("Mapping[Any, Any]", value).get(key, _MISSING)
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        place = _index(key, len(items))
        return _MISSING if place is None else items[place]
    if value is None or isinstance(value, (str, bytes, int, float)):
        return _MISSING
    return getattr(value, key, _MISSING)


def _with(value: Any, key: str, changed: Any) -> Any:
    if isinstance(value, dict):
        copied = cast("dict[Any, Any]", copy.copy(value))
        copied[key] = changed
        return copied
    if isinstance(value, (list, tuple)):
        items = list(cast("list[Any]", value))
        items[int(key)] = changed
        return tuple(items) if isinstance(value, tuple) else items
    if hasattr(value, "model_copy"):
        return value.model_copy(update={key: changed})
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{key: changed})
    copied = copy.copy(value)
    object.__setattr__(copied, key, changed)  # frozen dataclasses too: the copy is ours
    return copied


def _index(key: str, length: int) -> int | None:
    try:
        place = int(key)
    except ValueError:
        return None
    return place if -length <= place < length else None
