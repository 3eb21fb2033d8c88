"""Reads one field of a request body, or says what is wrong with it."""

from __future__ import annotations

from typing import Any, cast

from gapless.testing.fake_llm.wire.trouble import bad

_WORDS = {dict: "an object", list: "an array", str: "a string", int: "an integer", bool: "a boolean"}


def text(body: dict[str, Any], key: str, at: str = "") -> str:
    """A required, non-empty string."""
    value = body.get(key)
    if value is None:
        raise bad(at + key, f"Missing required parameter: '{at + key}'.", "missing_required_parameter")
    if not isinstance(value, str) or not value:
        raise wrong_type(at + key, value, "a non-empty string")
    return value


def flag(body: dict[str, Any], key: str, default: bool = False) -> bool:
    """An optional boolean."""
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong_type(key, value, "a boolean")
    return value


def number(
    body: dict[str, Any], key: str, low: float, high: float | None, *, whole: bool = False
) -> float | None:
    """An optional number in a range."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise wrong_type(key, value, "an integer" if whole else "a number")
    if not low <= value or (high is not None and value > high):
        most = f" and <= {high:g}" if high is not None else ""
        raise bad(
            key,
            f"Invalid value for '{key}': {value}. Expected a value >= {low:g}{most}.",
            "invalid_value",
        )
    return value


def whole(body: dict[str, Any], key: str, low: int, high: int | None) -> int | None:
    """An optional integer in a range."""
    value = number(body, key, low, high, whole=True)
    return None if value is None else int(value)


def table(value: Any, at: str) -> dict[str, Any]:
    """The value as an object."""
    if not isinstance(value, dict):
        raise wrong_type(at, value, "an object")
    return cast("dict[str, Any]", value)


def items(value: Any, at: str) -> list[Any]:
    """The value as an array."""
    if not isinstance(value, list):
        raise wrong_type(at, value, "an array")
    return cast("list[Any]", value)


def texts(value: Any, at: str) -> tuple[str, ...]:
    """The value as a string or an array of strings; nothing when it is null."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    found = items(value, at)
    for number_, item in enumerate(found):
        if not isinstance(item, str):
            raise wrong_type(f"{at}[{number_}]", item, "a string")
    return tuple(found)


def schema_of(tool: dict[str, Any], at: str) -> dict[str, Any]:
    """The JSON schema of a tool's arguments; a tool without parameters takes none."""
    parameters = tool.get("parameters")
    return {} if parameters is None else table(parameters, f"{at}.parameters")


def output_schema(wanted: dict[str, Any], at: str) -> dict[str, Any] | None:
    """The schema in a response format: {} for any JSON object, None for plain text."""
    kind = wanted.get("type")
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {}
    if kind != "json_schema":
        raise bad(
            f"{at}.type",
            f"Invalid value: {kind!r}. Supported values are: 'text', 'json_object', 'json_schema'.",
            "invalid_value",
        )
    inner = wanted.get("json_schema")
    holder = table(inner, f"{at}.json_schema") if at == "response_format" else wanted
    text(holder, "name", f"{at}.")
    return table(holder.get("schema") or {}, f"{at}.schema")


def wrong_type(at: str, value: Any, wanted: str) -> Exception:
    """Status 400: the value is of another kind than the protocol says."""
    got = "null" if value is None else _WORDS.get(type(value), f"a {type(value).__name__}")
    return bad(at, f"Invalid type for '{at}': expected {wanted}, but got {got} instead.", "invalid_type")
