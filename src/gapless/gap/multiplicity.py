"""Several tests at once: p-values that keep the chance of any false alarm at its level."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given.

    Source:
        Holm (1979), Scandinavian Journal of Statistics 6.

    Example:
        >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    m = len(p_values)
    adjusted = [1.0] * m
    highest = 0.0
    for rank, place in enumerate(sorted(range(m), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (m - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
