"""How sure a language model was of its own words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, items, number, within

_MOST_WRAPPED = 8


@dataclass(frozen=True, kw_only=True)
class Logprob:
    """Geometric mean of the probability of each token."""

    name: ClassVar[str] = "logprob"

    path: str
    """Of the log probabilities: OpenAI's `logprobs` (LangChain: `messages.response_metadata.logprobs`), or a list of numbers."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The mean; None where there are none, or one that is above 0."""
        said = [_logprob(token) for token in _tokens(at(crossing, self.path))]
        known = [value for value in said if value is not None and value <= 0]
        return math.exp(sum(known) / len(known)) if known and len(known) == len(said) else None


@dataclass(frozen=True, kw_only=True)
class TokenEntropy:
    """1 less the mean entropy of the alternatives at each token, as a share of the greatest there could be.

    What the alternatives leave over counts as one more of them, so that a list cut short does not look sure.
    """

    name: ClassVar[str] = "token-entropy"

    path: str
    """Of the log probabilities, with `top_logprobs` for each token."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The certainty; None where a token has no two alternatives, or there are no tokens."""
        shares = [_entropy(token) for token in _tokens(at(crossing, self.path))]
        known = [share for share in shares if share is not None]
        return within(1 - sum(known) / len(known)) if known and len(known) == len(shares) else None


def _tokens(value: Any) -> list[Any]:
    """The tokens, whatever they are wrapped in; those of the last answer where there are several."""
    for _ in range(_MOST_WRAPPED):
        if isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get("content")
            continue
        found = items(value) or []
        if not (found and isinstance(found[-1], Mapping) and "content" in found[-1]):
            return found
        value = found[-1]
    return []


def _logprob(token: Any) -> float | None:
    return number(cast("Mapping[str, Any]", token).get("logprob") if isinstance(token, Mapping) else token)


def _entropy(token: Any) -> float | None:
    others = cast("Mapping[str, Any]", token).get("top_logprobs") if isinstance(token, Mapping) else None
    chances = [_chance(one) for one in items(others) or []]
    known = [chance for chance in chances if chance is not None]
    total = sum(known)
    if len(known) < 2 or len(known) < len(chances) or total <= 0:
        return None
    shares = [*known, 1 - total] if total < 1 else [chance / total for chance in known]
    return min(1.0, -sum(p * math.log(p) for p in shares if p > 0) / math.log(len(known)))


def _chance(one: Any) -> float | None:
    said = cast("Mapping[str, Any]", one).get("logprob") if isinstance(one, Mapping) else one
    if isinstance(said, float) and said == -math.inf:  # an alternative that a grammar forbids
        return 0.0
    value = number(said)
    return None if value is None else math.exp(min(0.0, value))
