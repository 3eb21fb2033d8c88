"""Stale evidence: the retriever hands over older versions of its documents."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault, Replace
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class StaleEvidence(FieldFault):
    """Replaces every item of a list that has an older version, as a stale index would."""

    name: ClassVar[str] = "stale-evidence"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A freshness guard sees it where items carry a date; the current version is not at the boundary, so it "
        "cannot be repaired there, only refused, retried or reviewed."
    )

    older: Replace
    """The workflow's own: the older version of an item, or None when it has none."""

    def changed(self, value: Any, random: Random) -> Any:
        """The list with older versions in it."""
        if not isinstance(value, (list, tuple)):
            return UNCHANGED
        items = list(cast("list[Any]", value))
        older = [self.older(copy.deepcopy(item)) for item in items]
        if all(item is None for item in older):
            return UNCHANGED
        mixed = [item if old is None else old for item, old in zip(items, older, strict=True)]
        return tuple(mixed) if isinstance(value, tuple) else mixed
