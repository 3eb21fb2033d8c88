"""`set`: a list has the expected members, whatever their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from gapless.evals.checks.base import ComparingCheck
from gapless.evals.pointer import kind
from gapless.evals.sameness import key_of, shown
from gapless.records.trial import Verdict

_MAX_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Set(ComparingCheck):
    """Passes when precision and recall of the members reach their minima; both 1 by default: the same set."""

    name: ClassVar[str] = "set"
    example: ClassVar[dict[str, Any]] = {"path": "suppliers[*].id", "value": ["s1", "s2"], "min_recall": 0.5}
    shorthand: ClassVar[str | None] = "value"

    min_precision: float = 1.0
    """Least share of the members found that were expected."""
    min_recall: float = 1.0
    """Least share of the expected members that were found."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("min_precision", self.min_precision), ("min_recall", self.min_recall)):
            if not 0.0 <= least <= 1.0:
                raise ValueError(f"{name} is {least:g}, allowed is 0 to 1")

    def compare(self, found: Any, expected: Any) -> Verdict:
        """Compares members; the score is the smaller of precision and recall. Repetitions count once."""
        if not isinstance(expected, list):
            return self.unknown(f"the expected value is {kind(expected)}, not a list")
        if not isinstance(found, list):
            return self.failed(f"{self.path or 'the value'} is {kind(found)}, not a list")
        have = {key_of(item): item for item in cast("list[Any]", found)}
        want = {key_of(item): item for item in cast("list[Any]", expected)}
        common = len(have.keys() & want.keys())
        precision = common / len(have) if have else 1.0  # who claims nothing claims nothing wrong
        recall = common / len(want) if want else 1.0
        score = min(precision, recall)
        if precision >= self.min_precision and recall >= self.min_recall:
            return self.passed(f"precision {precision:.3g}, recall {recall:.3g}", score)
        missing = [item for key, item in want.items() if key not in have]
        extra = [item for key, item in have.items() if key not in want]
        words = f"precision {precision:.3g}, recall {recall:.3g}"
        return self.failed(words + _named("missing", missing) + _named("not expected", extra), score)


def _named(what: str, items: list[Any]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - _MAX_SHOWN} more" if len(items) > _MAX_SHOWN else ""
    return f"; {what}: {', '.join(shown(item) for item in items[:_MAX_SHOWN])}{more}"
