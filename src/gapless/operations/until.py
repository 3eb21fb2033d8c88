"""`gapless measure --until decided`: stops as soon as a budget is decided, by numbers that may be looked at all the time."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from random import Random
from typing import Protocol

import msgspec

from gapless.errors import UsageError
from gapless.records.budget import BudgetLine, Kept
from gapless.records.estimate import Estimate
from gapless.records.suite import Suite
from gapless.records.trial import Outcome

QUESTIONS: Mapping[str, tuple[Outcome, str]] = {
    "min_success": ("correct", "S"),
    "max_silent_failures": ("wrong", "the silent-failure rate"),
}
"""Limits that can be decided early: the outcome whose rate each is about, and what that is called."""
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

    def lines(self) -> tuple[BudgetLine, ...]:
        """The limits of a budget as they stand, if it is about a budget."""
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

    def lines(self) -> tuple[BudgetLine, ...]:
        """None: this question is about no budget."""
        return ()


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
        self._sure = dict.fromkeys(self._limits, 0)
        self._perhaps = dict.fromkeys(self._limits, 0)  # and those that no end verdict settled
        self._bounds: dict[str, tuple[float, float]] = dict.fromkeys(self._limits, (0.0, 1.0))
        self._verdicts: dict[str, Kept] = dict.fromkeys(self._limits, "undecided")

    def see(self, trials: Iterable[tuple[str, int, Outcome]]) -> None:
        """Notes finished trials: (case, number, outcome)."""
        self._line.add(trials)
        while not self.decided and (found := self._line.following()) is not None:
            for name in self._limits:
                outcome = QUESTIONS[name][0]
                self._sure[name] += found[1] == outcome
                self._perhaps[name] += found[1] in (outcome, "unjudged")
                self._narrow(name)

    @property
    def decided(self) -> bool:
        """Whether every limit is proven kept, or one proven broken."""
        verdicts = self._verdicts.values()
        return "broken" in verdicts or "undecided" not in verdicts

    def sentence(self) -> str:
        """What was decided, by which rule, from how much."""
        parts: list[str] = []
        for name, limit in self._limits.items():
            low, high = self._bounds[name]
            parts.append(
                f"{name} = {limit:g} {self._verdicts[name]} (confidence sequence {100 * low:.1f} to {100 * high:.1f} %)"
            )
        verb = "Stopped when decided" if self.decided else "Undecided at the declared maximum"
        return (
            f"{verb}, by a 95 % confidence sequence over {self._from()}: {'; '.join(parts)}. "
            "Other intervals here do not allow for the early stop."
        )

    def lines(self) -> tuple[BudgetLine, ...]:
        """Each limit with the confidence sequence's interval."""
        return tuple(self._budget_line(name, limit) for name, limit in self._limits.items())

    def _budget_line(self, name: str, limit: float) -> BudgetLine:
        low, high = self._bounds[name]
        n, verdict = self._line.counted, self._verdicts[name]
        asked = "at least" if name == "min_success" else "at most"
        sentence = (
            f"{QUESTIONS[name][1]} is {100 * low:.1f} to {100 * high:.1f} % by a confidence sequence over {self._from()}, "
            f"the budget asks for {asked} {100 * limit:g} %: {verdict}."
        )
        estimate = Estimate(
            point=self._sure[name] / n if n else None,
            low=low,
            high=high,
            level=_LEVEL,
            method="confidence sequence",
            n_runs=n,
            n_cases=n,
            n_groups=n,
            reason=None if n else "never measured",
        )
        return BudgetLine(name=name, limit=limit, estimate=estimate, verdict=verdict, sentence=sentence)

    def _from(self) -> str:
        n = self._line.counted
        return f"the first trial of {n} {'group' if n == 1 else 'groups'}"

    def _narrow(self, name: str) -> None:
        from gapless.gap.sequential import confidence_sequence

        # The limits hold at every n at once, so that the narrowest so far do: what was decided stays so.
        n, sure, perhaps = self._line.counted, self._sure[name], self._perhaps[name]
        now = confidence_sequence(sure, n, level=_LEVEL)
        most = now if perhaps == sure else confidence_sequence(perhaps, n, level=_LEVEL)
        low, high = max(self._bounds[name][0], now.low), min(self._bounds[name][1], most.high)
        self._bounds[name] = low, high
        if self._verdicts[name] == "undecided":
            self._verdicts[name] = self._verdict(name)

    def _verdict(self, name: str) -> Kept:
        (low, high), limit = self._bounds[name], self._limits[name]
        if name == "min_success":
            return "kept" if low >= limit else "broken" if high < limit else "undecided"
        return "kept" if high <= limit else "broken" if low > limit else "undecided"
