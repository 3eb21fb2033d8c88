"""Cross-fitting on CUAD: no contract is judged by anything that saw a label of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gapless.retrievers.rerank import folds_of

if TYPE_CHECKING:
    from contract_risk.cuad_learnt import Judged
    from contract_risk.cuad_rank import Question

FOLDS = 5


def cross_fit(
    questions: Sequence[Question], folds: int = FOLDS, seed: int = 0
) -> tuple[list[Judged], list[float]]:
    """Every question, judged by what was learnt from other contracts only, and the prior of its category there."""
    from contract_risk.cuad_learnt import Learnt

    fold = folds_of([question.contract for question in questions], folds, seed)
    judged: dict[int, Judged] = {}
    prior: dict[int, float] = {}
    for number in range(int(fold.max()) + 1):
        out, rest = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        learnt = Learnt([questions[at] for at in rest], fold[rest].tolist())
        for at in out.tolist():
            judged[at] = learnt.judge(questions[at])
            prior[at] = learnt.prior(questions[at].category)
    return [judged[at] for at in range(len(questions))], [prior[at] for at in range(len(questions))]
