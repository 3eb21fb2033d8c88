"""`contains`: texts that must, may or must not occur."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.figures import text_of
from gapless.evals.checks.base import MISSING, CheckContext, ValueCheck
from gapless.evals.sameness import shown
from gapless.records.trial import Verdict

Texts = str | list[str]


@dataclass(frozen=True, kw_only=True)
class Contains(ValueCheck):
    """Passes when the text has all of `all`, at least one of `any` and none of `none`."""

    name: ClassVar[str] = "contains"
    example: ClassVar[dict[str, Any]] = {"path": "answer", "all": ["liability"], "none": ["I cannot"]}
    shorthand: ClassVar[str | None] = "all"

    all: Texts | None = None
    """Each of these must occur."""
    any: Texts | None = None
    """At least one of these must occur."""
    none: Texts | None = None
    """None of these may occur."""
    ignore_case: bool = False
    """Whether capitals matter."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for wanted in (self.all, self.any, self.none):
            if wanted is not None and (not wanted or "" in _listed(wanted)):
                raise ValueError("an empty text, or an empty list of texts, says nothing. Leave it out")

    def judge_value(self, found: Any, context: CheckContext) -> Verdict:
        """Judges the text of the value; objects and lists are read as text, keys included."""
        wanted = self.all
        if self.all is self.any is self.none is None:
            golden = self.golden_at(context)
            if golden is MISSING or golden in ("", None):
                return self.unknown("nothing to look for: give `all`, `any` or `none`, or a golden text")
            wanted = [text_of(item) for item in golden] if isinstance(golden, list) else text_of(golden)
        text = self._folded(text_of(found))
        missing = [one for one in _listed(wanted) if self._folded(one) not in text]
        if missing:
            return self.failed(f"{missing[0]!r} does not occur in {shown(found)}")
        present = [one for one in _listed(self.none) if self._folded(one) in text]
        if present:
            return self.failed(f"{present[0]!r} occurs in {shown(found)}, and must not")
        if self.any is not None and not [one for one in _listed(self.any) if self._folded(one) in text]:
            return self.failed(f"none of {_listed(self.any)} occurs in {shown(found)}")
        return self.passed()

    def _folded(self, text: str) -> str:
        return text.casefold() if self.ignore_case else text


def _listed(texts: Texts | None) -> list[str]:
    return [] if texts is None else [texts] if isinstance(texts, str) else texts
