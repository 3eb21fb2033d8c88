"""`regex`: a pattern that must, or must not, occur."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from gapless.boundary.figures import text_of
from gapless.evals.checks.base import CheckContext, ValueCheck
from gapless.evals.sameness import shown
from gapless.records.trial import Verdict


@dataclass(frozen=True, kw_only=True)
class Regex(ValueCheck):
    """Passes when the pattern (Python's `re`) occurs in the text, or fits all of it."""

    name: ClassVar[str] = "regex"
    example: ClassVar[dict[str, Any]] = {"path": "answer", "pattern": "^(yes|no)\\b", "ignore_case": True}
    shorthand: ClassVar[str | None] = "pattern"

    pattern: str
    """A regular expression; `^` and `$` stand for the ends of the text."""
    full: bool = False
    """Whether it must fit the whole text."""
    absent: bool = False
    """Whether it must not occur."""
    ignore_case: bool = False
    """Whether capitals matter."""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            _ = self._compiled
        except re.error as error:
            raise ValueError(f"pattern {self.pattern!r} is no regular expression: {error}") from error

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE if self.ignore_case else 0)

    def judge_value(self, found: Any, context: CheckContext) -> Verdict:
        """Judges the text of the value."""
        search = self._compiled.fullmatch if self.full else self._compiled.search
        occurs = search(text_of(found))
        if occurs is None:
            words = f"{self.pattern!r} does not {'fit' if self.full else 'occur in'} {shown(found)}"
            return self.passed() if self.absent else self.failed(words)
        return self.failed(f"{occurs.group()[:80]!r} occurs, and must not") if self.absent else self.passed()
