"""What is wrong with a line, in words: where in it, the value, and what would have been allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from gapless.errors import ImporterError
from gapless.trace.importers.source import Source

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a line may raise."""
_AT = re.compile(r"^(.*) - at `\$\.?(.*)`$", re.DOTALL)
_INVALID = re.compile(r"^Invalid (?:enum )?value (.*)$", re.DOTALL)


def explained(
    source: Source, data: bytes, error: Exception, allowed: Mapping[str, Sequence[str]] | None = None
) -> ImporterError:
    """The error for a line that could not be decoded.

    Args:
        source: The file, at that line.
        data: The line.
        error: One of `UNREADABLE`.
        allowed: Key -> values it may have, where those are a short list.
    """
    if isinstance(error, msgspec.ValidationError):
        return source.wrong(_invalid(str(error), allowed or {}))
    if isinstance(error, UnicodeDecodeError):
        return source.wrong(f"is not UTF-8: {error.reason} at position {error.start} of a string")
    if isinstance(error, RecursionError):
        return source.wrong("is nested too deeply")
    said = str(error).removeprefix("JSON is malformed: ")
    why = "; JSON knows no NaN or Infinity, write null" if b"NaN" in data or b"Infinity" in data else ""
    return source.wrong(f"is no JSON: {said}{why}")


def _invalid(said: str, allowed: Mapping[str, Sequence[str]]) -> str:
    found = _AT.match(said)
    what, where = (found[1], found[2]) if found else (said, "")
    key = re.sub(r"\[.*?\]", "", where.rpartition(".")[2])
    invalid = _INVALID.match(what)
    if invalid is not None:
        return f"`{where}` is {invalid[1]}; allowed: {', '.join(allowed.get(key, ()))}"
    at = f"`{where}`: " if where else ""
    return f"{at}{what[0].lower()}{what[1:]}".replace("expected `str` of length >= 1", "may not be empty")
