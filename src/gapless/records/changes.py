"""Every place in which two plain values differ; chat messages count by what they say, objects not by where they lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from gapless.records.replay import Change
from gapless.records.value import UNSERIALISABLE

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")
_MESSAGES = ("human", "ai", "AIMessageChunk", "tool", "system", "function", "chat")


def changes(before: Any, after: Any, *, most: int = 200) -> tuple[Change, ...]:
    """Where two values differ, in the order of the first one's keys.

    Args:
        before: Plain data.
        after: Plain data.
        most: At most so many places are named.

    Example:
        >>> [(c.path, c.before, c.after) for c in changes({"a": [1, 2]}, {"a": [1, 3], "b": 0})]
        [('a[1]', 2, 3), ('b', None, 0)]
    """
    found: list[Change] = []
    for change in _differences(before, after, ""):
        found.append(change)
        if len(found) == most:
            break
    return tuple(found)


def said(value: dict[str, Any]) -> dict[str, Any]:
    """What does not differ from run to run: a chat message without ids and token counts, an object without its address."""
    if UNSERIALISABLE in value:
        return {**value, "repr": _ADDRESS.sub("0x", str(value.get("repr")))}
    if "additional_kwargs" not in value or value.get("type") not in _MESSAGES:
        return value
    calls = value.get("tool_calls")
    asked = [_call(call) for call in cast("list[Any]", calls)] if isinstance(calls, list) else calls
    return {"type": value["type"], "content": value.get("content"), "tool_calls": asked or []}


def holds(plain: Any, *marks: str) -> bool:
    """Whether one of these keys stands anywhere in plain data."""
    if isinstance(plain, dict):
        items = cast("dict[str, Any]", plain)
        return any(mark in items for mark in marks) or any(holds(inner, *marks) for inner in items.values())
    return isinstance(plain, list) and any(holds(inner, *marks) for inner in cast("list[Any]", plain))


def _differences(before: Any, after: Any, path: str) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _in_objects(
            said(cast("dict[str, Any]", before)), said(cast("dict[str, Any]", after)), path
        )
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_lists(cast("list[Any]", before), cast("list[Any]", after), path)
    elif not _same(before, after):
        yield Change(path=path, before=before, after=after)


def _same(before: Any, after: Any) -> bool:
    if before != before and after != after:  # NaN is the same as NaN here: nothing has changed
        return True
    return isinstance(before, bool) == isinstance(after, bool) and before == after


def _in_objects(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Change]:
    for key, old in before.items():
        here = f"{path}.{key}" if path else key
        if key in after:
            yield from _differences(old, after[key], here)
        else:
            yield Change(path=here, before=old, kind="removed")
    for key, new in after.items():
        if key not in before:
            yield Change(path=f"{path}.{key}" if path else key, after=new, kind="added")


def _in_lists(before: list[Any], after: list[Any], path: str) -> Iterator[Change]:
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        yield from _differences(old, new, f"{path}[{index}]")
    for index in range(len(after), len(before)):
        yield Change(path=f"{path}[{index}]", before=before[index], kind="removed")
    for index in range(len(before), len(after)):
        yield Change(path=f"{path}[{index}]", after=after[index], kind="added")


def _call(call: Any) -> Any:
    if not isinstance(call, dict):
        return call
    return {key: inner for key, inner in cast("dict[str, Any]", call).items() if key in ("name", "args")}
