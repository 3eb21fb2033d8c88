"""What a workflow costs per trial and per correct trial."""

from __future__ import annotations

from gapless.records.base import Record
from gapless.records.estimate import Estimate


class Prices(Record, frozen=True, kw_only=True):
    """What things cost, as the user says; nothing is looked up anywhere."""

    per_million_tokens_in: float | None = None
    """Price of a million tokens that models read."""
    per_million_tokens_out: float | None = None
    """Price of a million tokens that models write."""
    per_million_tokens_embedded: float | None = None
    """Price of a million tokens that an embedding model reads: what an index costs once."""
    per_review: float | None = None
    """Price of one trial that a person has to decide."""
    currency: str = "USD"


class CostRow(Record, frozen=True, kw_only=True):
    """One kind of cost."""

    what: str
    """"tokens in", "tokens out", "reviews", "money"."""
    unit: str
    """"tokens", "reviews", or the currency."""
    per_trial: Estimate
    """Mean over the trials that say so."""
    per_correct: Estimate
    """All of it divided by the number of correct trials: failures are paid for too."""
    total: float
    """Of the trials that say so."""
