from __future__ import annotations

from typing import Any

import pytest

from gapless.boundary.figures import figures
from gapless.boundary.suspicions import UNKNOWN, ObservedEvent, ObservedTrial, learn, suspect
from gapless.boundary.suspicions.grounding import Read
from gapless.records.trial import StepEvent


def drafted(number: int, evidence: Any, text: str, state: Any = UNKNOWN) -> ObservedTrial:
    """retrieve -> draft: what was found, and what was written about it."""
    events = (
        ObservedEvent(StepEvent(step="retrieve", input="a", output="b"), {"q": "cap?"}, {"docs": evidence}),
        ObservedEvent(StepEvent(step="draft", input=f"c{number}", output="d"), state, {"answer": text}),
    )
    return ObservedTrial(f"c{number}", 0, {"q": "cap?"}, {"answer": text}, events, "ok")


def mixed(bad: str, n: int = 24, faulty: int = 6) -> list[ObservedTrial]:
    found = ["The cap is EUR 5,000,000 to be renewed on 2026-03-01.", "The fee is 12.5 % of the price."]
    good = "The cap on liability is EUR 5,000,000 and the fee is 12.5%."
    return [drafted(i, found, bad if i < faulty else good) for i in range(n)]


def fired(trials: list[ObservedTrial]) -> dict[int, int]:
    normal = learn(trials)
    counts: dict[int, int] = {}
    for trial in trials:
        for index, some in suspect(trial, normal).items():
            assert {one.check for one in some} == {"ungrounded-figure"}
            counts[index] = counts.get(index, 0) + 1
    return counts


def test_a_figure_from_nowhere_is_flagged_at_the_step_that_wrote_it() -> None:
    trials = mixed("The cap on liability is EUR 5,700,000 and the fee is 12.5%.")
    assert fired(trials) == {1: 6}
    (one,) = suspect(trials[0], learn(trials))[1]
    assert "5,700,000" in one.reason
    assert one.reason.endswith("in 18 of 24 trials all of its figures do")


@pytest.mark.parametrize(
    "text",
    [
        "The cap on liability is five million euro, and the fee is 12.5%.",
        "Two items were found. The cap is EUR 5 million (clause 3).",
        "The fee would come to EUR 625,000 at the cap of EUR 5,000,000.",
        "It renews on 1 March 2026, and the cap is EUR 5,000,000.",
    ],
    ids=["in words", "small counts", "one product", "another way to write a date"],
)
def test_another_notation_small_counts_and_plain_arithmetic_are_no_figures_from_nowhere(text: str) -> None:
    assert fired(mixed(text)) == {}


def test_a_step_that_brings_figures_of_its_own_is_normal() -> None:
    assert (
        fired(
            [
                drafted(i, ["nothing"], f"It comes to {1000 + 37 * i} units in all, as computed.")
                for i in range(24)
            ]
        )
        == {}
    )


def test_the_sum_of_a_column_is_grounded() -> None:
    rows = [{"amount": 1250}, {"amount": 800.5}, {"amount": 19}]
    read = Read()
    read.add({"rows": rows})
    (total,) = figures("They come to 2,069.50 in all.")
    (other,) = figures("They come to 2,069.60 in all.")
    assert read.holds(total)
    assert not read.holds(other)


def test_evidence_comes_from_states_earlier_outputs_tools_and_the_case() -> None:
    text = "The cap on liability is EUR 7,431,000 in this contract."
    good = [drafted(i, ["EUR 7,431,000"], text) for i in range(8)]
    from_state = drafted(99, ["nothing"], text, {"context": "Cap: 7,431,000 EUR"})
    nowhere = drafted(100, ["nothing"], text)
    assert fired([*good, from_state, nowhere]) == {1: 1}


def test_a_figure_is_blamed_once_where_it_arose() -> None:
    trials = mixed("The cap on liability is EUR 5,700,000 and the fee is 12.5%.")
    repeated = [
        ObservedTrial(
            trial.case,
            0,
            trial.input,
            trial.output,
            (
                *trial.events,
                ObservedEvent(StepEvent(step="deliver", input="e", output="f"), {}, trial.events[1].output),
            ),
            "ok",
        )
        for trial in trials
    ]
    assert fired(repeated) == {1: 6}
