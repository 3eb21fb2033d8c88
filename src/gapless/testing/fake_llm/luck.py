"""Draws of faults and delays: the same for the same question, in whatever order questions come."""

from __future__ import annotations

import math
from random import Random

from gapless.records.seed import seed_of
from gapless.testing.fake_llm.checking import FAULTS
from gapless.testing.fake_llm.script import Fault, Latency, Spread


class Luck:
    """The draws of one request."""

    def __init__(self, seed: int, digest: str, seen: int) -> None:
        self._parts = (seed, digest, seen)

    @property
    def identity(self) -> str:
        """Root of the ids in the answer."""
        return f"{seed_of(*self._parts, 'id'):016x}"

    def fault(self, faults: dict[str, Fault]) -> str | None:
        """The fault that strikes, if one does.

        At most one: a single draw falls into one of the faults' shares of 0..1 or beside them. Whoever drops a fault
        that cannot strike the request draws no other one, so that each rate holds where its fault applies.
        """
        drawn = Random(seed_of(*self._parts, "fault")).random()
        upper = 0.0
        for name in FAULTS:
            if name in faults:
                upper += faults[name].rate
                if drawn < upper:
                    return name
        return None

    def pace(self, latency: Latency, late_ms: float = 0.0) -> Pace:
        """How fast the answer comes.

        Args:
            latency: As scripted.
            late_ms: Milliseconds added before the first token.
        """
        return Pace(latency, late_ms, Random(seed_of(*self._parts, "latency")))


class Pace:
    """Seconds to wait, one draw after the other."""

    def __init__(self, latency: Latency, late_ms: float, random: Random) -> None:
        self._latency = latency
        self._random = random
        self.first_s = (_draw_ms(latency.ttft_ms, random) + late_ms) / 1000
        """Until the first token."""

    def next_s(self) -> float:
        """Until the next token."""
        return _draw_ms(self._latency.inter_token_ms, self._random) / 1000

    def whole_s(self, tokens: int) -> float:
        """Until an answer of so many tokens stands there whole."""
        return self.first_s + sum(self.next_s() for _ in range(tokens - 1))


def _draw_ms(how: float | Spread, random: Random) -> float:
    if not isinstance(how, Spread):
        return how
    if how.lognormal is not None:
        return random.lognormvariate(math.log(how.lognormal.median), how.lognormal.sigma)
    return random.uniform(*how.uniform) if how.uniform is not None else 0.0
