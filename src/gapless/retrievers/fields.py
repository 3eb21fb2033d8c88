"""What documents carry besides their text, on its way into a store: JSON, and plain values to filter by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gapless.errors import UsageError
from gapless.retrievers.base import Document


def as_json(document: Document) -> str:
    """A document's metadata as JSON.

    Raises:
        UsageError: JSON cannot hold them.
    """
    try:
        return json.dumps(dict(document.metadata), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"document {document.id!r}: its metadata cannot be kept as JSON: {error}."
        ) from error


def plain(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """A filter, with values that can be compared.

    Raises:
        UsageError: A value is a list or a record.
    """
    for name, value in (given or {}).items():
        if not isinstance(value, (str, int, float, bool)) and value is not None:
            raise UsageError(
                f"filter on {name!r}: {value!r} is no plain value. Allowed are text, numbers, true, false and null."
            )
    return dict(given or {})
