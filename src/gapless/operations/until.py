"""`gapless measure --until decided`: stops as soon as a budget is decided, by numbers that may be looked at all the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

import msgspec

from gapless.errors import UsageError
from gapless.records.suite import Suite
from gapless.records.trial import Outcome

QUESTIONS: Mapping[str, Outcome] = {"min_success": "correct", "max_silent_failures": "wrong"}
"""Limits that can be decided early: the outcome whose rate each is about."""
_LEVEL = 0.95


def shuffled(suite: Suite, seed: int) -> Suite:
    """The suite in a seeded order: where it is stopped must not depend on how its author sorted it."""
    cases = list(suite.cases)
    Random(f"{seed}/until").shuffle(cases)
    return msgspec.structs.replace(suite, cases=tuple(cases))


class Decider:
    """Follows the first trial of one case per group, in the declared order, until every question is answered or one is lost.

    Trials finish in another order than they start, and slow ones may fail more often: a value counts only when all
    before it have one.
    """

    def __init__(self, limits: Mapping[str, float], suite: Suite) -> None:
        """The limits to decide, over a suite in its declared order.

        Raises:
            UsageError: No limit can be decided early.
        """
        self._limits = {name: limit for name, limit in limits.items() if name in QUESTIONS}
        if not self._limits:
            raise UsageError(
                f"--until decided needs a question: set {' or '.join(QUESTIONS)} under [budget] in gapless.toml."
            )
        first = {case.unit: case.id for case in reversed(suite.cases)}
        leading = set(first.values())
        self._order = [case.id for case in suite.cases if case.id in leading]
        self._seen: dict[str, Outcome] = {}
        self._counted = 0
        self._counts = dict.fromkeys(self._limits, 0)
        self._answers: dict[str, bool] = {}

    def see(self, trials: Iterable[tuple[str, int, Outcome]]) -> None:
        """Notes finished trials: (case, number, outcome)."""
        from gapless.gap.sequential import confidence_sequence

        self._seen.update((case, outcome) for case, number, outcome in trials if number == 0)
        while not self.decided and self._counted < len(self._order):
            outcome = self._seen.get(self._order[self._counted])
            if outcome is None:
                return
            self._counted += 1
            for name, limit in self._limits.items():
                self._counts[name] += outcome == QUESTIONS[name]
                low, high = confidence_sequence(self._counts[name], self._counted, level=_LEVEL)
                if name not in self._answers and (high < limit or low >= limit):
                    self._answers[name] = low >= limit if name == "min_success" else high < limit

    @property
    def decided(self) -> bool:
        """Whether every limit is proven kept, or one proven broken."""
        return False in self._answers.values() or len(self._answers) == len(self._limits)

    def sentence(self) -> str:
        """What was decided, by which rule, from how much."""
        from gapless.gap.sequential import confidence_sequence

        parts: list[str] = []
        for name, limit in self._limits.items():
            low, high = confidence_sequence(self._counts[name], self._counted, level=_LEVEL)
            answer = {True: "kept", False: "broken", None: "undecided"}[self._answers.get(name)]
            parts.append(
                f"{name} = {limit:g} {answer} (confidence sequence {100 * low:.1f} to {100 * high:.1f} %)"
            )
        verb = "Stopped when decided" if self.decided else "Undecided at the declared maximum"
        units = "group" if self._counted == 1 else "groups"
        return (
            f"{verb}, by a 95 % confidence sequence over the first trial of {self._counted} {units}: {'; '.join(parts)}. "
            "Other intervals here do not allow for the early stop."
        )
