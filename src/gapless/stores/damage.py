"""Reads rows that may be damaged: what cannot be read becomes one sentence that names the row and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
import zstandard

from gapless.errors import StoreError
from gapless.stores.rows import expand

T = TypeVar("T")
_DAMAGE = (msgspec.DecodeError, zstandard.ZstdError, UnicodeDecodeError, MemoryError, TypeError)
_REMEDY = (
    "Everything else in the file is as it was. Restore a copy of it, or measure again under another name "
    "(--condition NAME)."
)


def whole(decode: Callable[[bytes], T], data: bytes, url: str, what: str, *place: object) -> T:
    """A row's value.

    Args:
        decode: Reads it.
        data: The bytes.
        url: The store, for the message.
        what: The row, for the message: "the summary of trial".
        place: Where it belongs: measurement, case, trial; joined only when something is wrong.

    Raises:
        StoreError: The bytes are damaged.
    """
    try:
        return decode(data)
    except _DAMAGE as error:
        where = " ".join([what, "#".join(str(part) for part in place)]).strip()
        raise StoreError(f"{url}: {where} is damaged and cannot be read ({error}). {_REMEDY}") from error


def whole_squeezed(decode: Callable[[bytes], T], data: bytes, url: str, what: str, *place: object) -> T:
    """`whole` for bytes that may be compressed."""
    return whole(lambda stored: decode(expand(stored)), data, url, what, *place)


def missing(url: str, what: str) -> StoreError:
    """What to raise when a row that others refer to is not there."""
    return StoreError(f"{url}: {what} is not there. {_REMEDY}")
