"""How sure a language model was of its own words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, items, number, within


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
    """1 less the mean entropy of the alternatives at each token, as a share of the greatest there could be."""

    name: ClassVar[str] = "token-entropy"

    path: str
    """Of the log probabilities, with `top_logprobs` for each token."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The certainty; None where no token has at least two alternatives."""
        shares = [
            share for token in _tokens(at(crossing, self.path)) if (share := _entropy(token)) is not None
        ]
        return within(1 - sum(shares) / len(shares)) if shares else None


def _tokens(value: Any) -> list[Any]:
    """The tokens, whatever they are wrapped in; those of the last answer where there are several."""
    while isinstance(value, (Mapping, list, tuple)):
        if isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get("content")
            continue
        found = items(value) or []
        if found and isinstance(found[-1], Mapping) and "content" in found[-1]:
            value = found[-1]
            continue
        return found
    return []


def _logprob(token: Any) -> float | None:
    return number(cast("Mapping[str, Any]", token).get("logprob") if isinstance(token, Mapping) else token)


def _entropy(token: Any) -> float | None:
    others = cast("Mapping[str, Any]", token).get("top_logprobs") if isinstance(token, Mapping) else None
    said = [_logprob(one) for one in items(others) or []]
    chances = [math.exp(min(0.0, value)) for value in said if value is not None]
    total = sum(chances)
    if len(chances) < 2 or total <= 0:
        return None
    return -sum(p / total * math.log(p / total) for p in chances if p > 0) / math.log(len(chances))
