"""Grounding guard: figures and names of a text occur in the evidence that the step was given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.handoff import UNCHANGED
from gapless.boundary.figures import figures, ungrounded
from gapless.boundary.guards.base import Breach
from gapless.boundary.guards.complete import find
from gapless.boundary.names import ungrounded_names
from gapless.errors import InvalidContract, UngroundedClaim
from gapless.records.value import to_plain

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Grounded:
    """Which text is held against which evidence."""

    name: ClassVar[str] = "grounded"

    text: str = ""
    """Dotted path of the text in the handoff; "" takes every text of it."""
    evidence: tuple[str, ...] = ("",)
    """Dotted paths into the state the step was given; "" is all of it. The case's input always counts."""
    figures: bool = True
    """Whether amounts, percentages, dates and counts must occur."""
    names: bool = False
    """Whether names of several words, and companies with their legal form, must occur."""
    rel: float = 0.0
    """Relative tolerance for rounded figures."""

    def __post_init__(self) -> None:
        if not (self.figures or self.names):
            raise InvalidContract(
                "Grounded(figures=False, names=False) looks for nothing: ask for one of them."
            )

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """The first few figures and names that are not in the evidence."""
        claimed = find(handoff, self.text)
        text = "\n".join(_texts(to_plain(claimed))) if claimed is not UNCHANGED else ""
        evidence = [*_texts(to_plain(crossing.case_input))]
        for place in self.evidence:
            value = find(crossing.state, place)
            if value is not UNCHANGED:
                evidence += _texts(to_plain(value))
        loose = self._loose(text, evidence)
        if not loose:
            return None
        shown = ", ".join(repr(one) for one in loose[:_SHOWN])
        more = f" and {len(loose) - _SHOWN} more" if len(loose) > _SHOWN else ""
        return Breach(self.name, f"{shown}{more} not in the evidence", UngroundedClaim)

    def _loose(self, text: str, evidence: list[str]) -> list[str]:
        found: list[str] = []
        if self.figures and figures(text):
            found += [figure.text for figure in ungrounded(text, evidence, rel=self.rel)]
        if self.names:
            found += [name.text for name in ungrounded_names(text, evidence)]
        return list(dict.fromkeys(found))


def _texts(plain: Any) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, (int, float)) and not isinstance(plain, bool):
        yield repr(plain)
    elif isinstance(plain, dict):
        for value in cast("dict[str, Any]", plain).values():
            yield from _texts(value)
    elif isinstance(plain, list):
        for value in cast("list[Any]", plain):
            yield from _texts(value)
