"""`gapless measure --until decided`: stops as soon as a budget is decided, by numbers that may be looked at all the time."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from random import Random
from typing import Protocol

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


class Question(Protocol):
    """Something that trials decide while they come in."""

    def see(self, trials: Iterable[tuple[str, int, Outcome]]) -> None:
        """Notes finished trials: (case, number, outcome)."""
        ...

    @property
    def decided(self) -> bool:
        """Whether it is answered."""
        ...

    def sentence(self) -> str:
        """What was decided, by which rule, from how much."""
        ...


class Line:
    """The first trial of one case per group, in the declared order.

    Trials finish in another order than they start, and slow ones may fail more often: a value counts only when all
    before it have one.
    """

    def __init__(self, suite: Suite, cases: Container[str] | None = None) -> None:
        known = [case for case in suite.cases if cases is None or case.id in cases]
        leading = set({case.unit: case.id for case in reversed(known)}.values())
        self._order = [case.id for case in known if case.id in leading]
        self._seen: dict[str, Outcome] = {}
        self.counted = 0

    def add(self, trials: Iterable[tuple[str, int, Outcome]]) -> None:
        """Notes finished trials: (case, number, outcome)."""
        self._seen.update((case, outcome) for case, number, outcome in trials if number == 0)

    def following(self) -> tuple[str, Outcome] | None:
        """The next case in the order and how it ended; None while that is not known."""
        if self.counted >= len(self._order) or self._order[self.counted] not in self._seen:
            return None
        case = self._order[self.counted]
        self.counted += 1
        return case, self._seen[case]


class Against:
    """Whether a workflow differs from an earlier measurement of the same cases: a paired e-value."""

    def __init__(self, earlier: Mapping[str, Outcome], name: str, suite: Suite) -> None:
        """The earlier first trials by case.

        Raises:
            UsageError: No case is in both.
        """
        self._earlier, self._name = earlier, name
        self._line = Line(suite, earlier)
        if not any(case.id in earlier for case in suite.cases):
            raise UsageError(f"{name} shares no case with this suite: only the same cases can be compared.")
        self._gains = self._losses = 0

    def see(self, trials: Iterable[tuple[str, int, Outcome]]) -> None:
        """Notes finished trials: (case, number, outcome)."""
        self._line.add(trials)
        while not self.decided and (found := self._line.following()) is not None:
            before, after = self._earlier[found[0]] == "correct", found[1] == "correct"
            self._gains += after and not before
            self._losses += before and not after

    @property
    def decided(self) -> bool:
        """Whether the evidence against a coin toss has reached 20 to 1."""
        from gapless.gap.sequential import paired_e

        return paired_e(self._gains, self._losses) >= 1 / (1 - _LEVEL)

    def sentence(self) -> str:
        """What was decided, by which rule, from how much."""
        from gapless.gap.sequential import paired_e

        e = paired_e(self._gains, self._losses)
        answer = "better" if self._gains > self._losses else "worse"
        verb = (
            f"Stopped when decided: {answer} than"
            if self.decided
            else "Undecided at the declared maximum against"
        )
        return (
            f"{verb} {self._name}, by a paired e-value of {e:.3g} (20 decides): {self._gains} gains and {self._losses} "
            f"losses in the first trials of {self._line.counted} groups. Other intervals here do not allow for the early stop."
        )


class Decider:
    """Follows the first trial of one case per group, in the declared order, until every limit is decided or one is broken."""

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
        self._line = Line(suite)
        self._counts = dict.fromkeys(self._limits, 0)
        self._answers: dict[str, bool] = {}

    def see(self, trials: Iterable[tuple[str, int, Outcome]]) -> None:
        """Notes finished trials: (case, number, outcome)."""
        from gapless.gap.sequential import confidence_sequence

        self._line.add(trials)
        while not self.decided and (found := self._line.following()) is not None:
            for name, limit in self._limits.items():
                self._counts[name] += found[1] == QUESTIONS[name]
                low, high = confidence_sequence(self._counts[name], self._line.counted, level=_LEVEL)
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
            low, high = confidence_sequence(self._counts[name], self._line.counted, level=_LEVEL)
            answer = {True: "kept", False: "broken", None: "undecided"}[self._answers.get(name)]
            parts.append(
                f"{name} = {limit:g} {answer} (confidence sequence {100 * low:.1f} to {100 * high:.1f} %)"
            )
        verb = "Stopped when decided" if self.decided else "Undecided at the declared maximum"
        units = "group" if self._line.counted == 1 else "groups"
        return (
            f"{verb}, by a 95 % confidence sequence over the first trial of {self._line.counted} {units}: {'; '.join(parts)}. "
            "Other intervals here do not allow for the early stop."
        )
