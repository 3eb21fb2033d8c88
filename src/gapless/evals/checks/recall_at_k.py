"""`recall_at_k`: how many of the right documents are among the first k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from gapless.evals.checks.base import MISSING, BaseCheck, CheckContext
from gapless.evals.pointer import Nowhere, kind, parse
from gapless.evals.sameness import key_of, shown
from gapless.records.trial import Verdict


@dataclass(frozen=True, kw_only=True)
class RecallAtK(BaseCheck):
    """Passes when enough of the gold ids are among the first k of a ranked list."""

    name: ClassVar[str] = "recall_at_k"
    example: ClassVar[dict[str, Any]] = {"path": "retrieved", "gold": ["d1", "d7"], "k": 5, "min": 0.8}
    shorthand: ClassVar[str | None] = "k"

    path: str | None = None
    """The ranked list, of ids or of objects with an `id`. When None: the value itself, or the only list in the golden."""
    gold: list[Any] | None = None
    """Ids of what should be found; the golden output at the same path when None."""
    k: int | None = None
    """How many places count; all when None."""
    min: float = 1.0
    """Least share of the gold ids, 0 to 1."""
    id: str = "id"
    """Path of the id in an object of the list."""

    def __post_init__(self) -> None:
        parse(self.path or "")
        parse(self.id)
        if self.k is not None and self.k < 1:
            raise ValueError(f"k is {self.k}, the least is 1")
        if not 0.0 <= self.min <= 1.0:
            raise ValueError(f"min is {self.min:g}, allowed is 0 to 1")
        if self.gold is not None and not self.gold:
            raise ValueError("gold is an empty list: recall is not defined without anything to find")

    def judge(self, context: CheckContext) -> Verdict:
        """Judges the list; the score is the recall. An id that comes twice counts once."""
        path = self._path(context)
        if path is None:
            return self.unknown("it is not clear which list is meant: give `path`")
        gold = self._gold(context, path)
        if not isinstance(gold, list) or not gold:
            return self.unknown("no gold ids: give `gold`, or a golden output with a list that is not empty")
        ranked = parse(path).read(context.value)
        if isinstance(ranked, Nowhere):
            return self.failed(str(ranked))
        if not isinstance(ranked, list):
            return self.failed(f"{path or 'the value'} is {kind(ranked)}, not a list")
        want = {key_of(self._id(item)): self._id(item) for item in cast("list[Any]", gold)}
        have = {key_of(self._id(item)) for item in cast("list[Any]", ranked)[: self.k]}
        missing = [item for key, item in want.items() if key not in have]
        recall = 1.0 - len(missing) / len(want)
        words = f"{len(want) - len(missing)} of {len(want)} gold ids among the first {self.k or len(ranked)}"
        if recall >= self.min:
            return self.passed(words, recall)
        return self.failed(f"{words}; not among them: {', '.join(map(shown, missing[:3]))}", recall)

    def _path(self, context: CheckContext) -> str | None:
        if self.path is not None:
            return self.path
        if isinstance(context.value, list):
            return ""
        source = context.golden if isinstance(context.golden, dict) else context.value
        if not isinstance(source, dict):
            return ""
        lists = [key for key, value in cast("dict[str, Any]", source).items() if isinstance(value, list)]
        return f'["{lists[0]}"]' if len(lists) == 1 else None

    def _gold(self, context: CheckContext, path: str) -> Any:
        if self.gold is not None or context.golden is MISSING or isinstance(context.golden, list):
            return self.gold if self.gold is not None else context.golden
        return parse(path).read(context.golden)

    def _id(self, item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        found = parse(self.id).read(item)
        return item if isinstance(found, Nowhere) else found
