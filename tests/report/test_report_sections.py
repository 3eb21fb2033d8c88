"""The tables that every face shows alike: each says what it has, and nothing where it has nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gapless.records.decomposition import CaseMixRow, ChainRow, LayerRow, Repeat, RetryRow
from gapless.records.estimate import Estimate
from gapless.records.gap import AfterReview, Gap, RulingRow
from gapless.records.report import Report
from gapless.report import html, markdown, text
from gapless.report.appendix import basis, methods
from gapless.report.sections import order
from gapless.report.sections.after_review import after_review
from gapless.report.sections.base import Section
from gapless.report.sections.case_mix import case_mix
from gapless.report.sections.chain import chain, layers
from gapless.report.sections.contracts import contracts
from gapless.report.sections.repeats import repeats
from gapless.report.sections.retries import retries
from gapless.report.sections.slices import slices
from gapless.report.view import build
from gapless.report.wording import largest

EVIL = "<b>evil</b>|`x`"


def rate(point: float, low: float, high: float, method: str = "t over cases") -> Estimate:
    return Estimate(point=point, low=low, high=high, method=method, n_runs=40, n_cases=10, n_groups=10)


@pytest.fixture(scope="module")
def report(samples: Any) -> Report:
    return samples.labelled()


def of(report: Report, **parts: object) -> Gap:
    bare: dict[str, object] = {
        "chain": (),
        "layers": (),
        "retries": (),
        "case_mix": (),
        "repeats": (),
        "worst_slice": None,
    }
    return msgspec.structs.replace(report.gap, **(bare | parts))


def full(report: Report) -> Gap:
    first, *others = report.gap.boundaries
    rows = [msgspec.structs.replace(first, p_largest=0.52)]
    rows += [msgspec.structs.replace(row, p_largest=0.16) for row in others]
    return of(
        report,
        boundaries=tuple(rows),
        chain=(
            ChainRow(exit=EVIL, conditional=0.92, reach=1.0, hazard=0.08, shapley=rate(0.0747, 0.03, 0.13)),
            ChainRow(exit="idle", conditional=1.0, reach=0.0, shapley=rate(0.0, 0.0, 0.0)),
            ChainRow(exit="draft", conditional=0.95, reach=0.5, hazard=0.1, shapley=rate(0.05, 0.01, 0.09)),
        ),
        layers=(
            LayerRow(layer="model", points=rate(0.12, 0.06, 0.2), shapley=0.11),
            LayerRow(layer="tool", points=rate(0.05, 0.02, 0.1), shapley=0.06),
        ),
        retries=(
            RetryRow(
                step=EVIL,
                n_visits=40,
                n_retried=9,
                first_attempt=rate(0.8, 0.7, 0.9),
                last_attempt=rate(0.95, 0.9, 0.99),
                gain=0.15,
                extra_attempts=9,
                extra_ms_per_trial=31.0,
            ),
        ),
        case_mix=(
            CaseMixRow(
                step=EVIL,
                alone=1.0,
                alone_on_reached=0.98,
                in_chain=0.9,
                total=0.105,
                selection=0.02,
                boundary=0.085,
            ),
            CaseMixRow(step="draft", alone=0.9, reason="its step has no benchmark of these cases"),
        ),
        repeats=(
            Repeat(k=1, pass_at_k=rate(0.7, 0.5, 0.9), pass_hat_k=rate(0.7, 0.5, 0.9)),
            Repeat(k=4, pass_at_k=rate(1.0, 0.74, 1.0), pass_hat_k=rate(0.5, 0.3, 0.7), n_excluded=3),
        ),
        rulings=(
            RulingRow(step=EVIL, guard="retry", action="retry", n_trials=3, n_rulings=4, ms=2345.0),
            RulingRow(step="draft", guard="schema", action="repair", n_trials=2, n_rulings=2),
        ),
        after_review=AfterReview(
            n_escalated=9,
            n_asked=8,
            outcomes={"correct": 6, "wrong": 2},
            right=rate(0.75, 0.41, 0.93, "wilson"),
            system=Estimate(method="none", reason="1 of 9 escalated trials never came before a reviewer"),
        ),
        worst_slice=report.gap.slices[0],
        se_clustered=0.0517,
        se_naive=0.0349,
    )


def test_nothing_to_say_is_no_section(report: Report, samples: Any) -> None:
    gap = of(report)
    parts = (chain, layers, retries, case_mix, repeats, contracts, after_review)
    assert [part(gap) for part in parts] == [None] * 7
    empty = samples.empty().gap
    assert not [
        *order.on_losses(empty),
        *order.on_outcomes(empty),
        *order.on_cost(empty),
        *order.in_depth(empty),
    ]


def test_the_chain_says_that_a_fair_split_is_no_cause(report: Report) -> None:
    shown = chain(full(report))
    assert shown is not None
    assert shown.rows[0] == (EVIL, "92.0 %", "all", "8.0 %", "7.5 points (3.0 to 13.0)")
    assert shown.rows[1][1:4] == ("all", "none", "")
    assert "nothing of causes" in shown.under


def test_repeats_have_no_trials_to_count(report: Report) -> None:
    shown = repeats(full(report))
    assert shown is not None
    assert shown.rows[1] == ("k = 4", "50.0 % (30.0-70.0)", "at least 74.0 %", "10")
    assert "3 cases with fewer trials" in shown.under


def test_retries_say_what_they_cost(report: Report) -> None:
    shown = retries(full(report))
    assert shown is not None
    assert shown.rows[0][-2:] == ("+15.0", "31 ms")


def test_contracts_say_what_they_cost(report: Report) -> None:
    shown = contracts(full(report))
    assert shown is not None
    assert [row[-1] for row in shown.rows] == ["2.35 s", ""]
    assert "given up" in shown.under


def test_what_reviewers_made_of_it_is_measured_or_not_said(report: Report) -> None:
    gap = full(report)
    shown = after_review(gap)
    assert shown is not None
    assert shown.rows == (("ended right: h", "6 of 8", "75.0 % (41.0-93.0)"), ("ended wrong", "2", ""))
    assert shown.under.endswith("is not known: 1 of 9 escalated trials never came before a reviewer.")
    assert gap.after_review is not None
    everybody = msgspec.structs.replace(gap.after_review, n_asked=9, system=rate(0.9, 0.8, 0.95))
    shown = after_review(msgspec.structs.replace(gap, after_review=everybody))
    assert shown is not None
    correct = gap.outcomes["correct"]
    assert shown.rows[2][1:] == (f"{correct + 6} of {gap.n_runs}", "90.0 % (80.0-95.0)")


def test_case_mix_tells_selection_from_the_boundary(report: Report) -> None:
    shown = case_mix(full(report))
    assert shown is not None
    assert shown.rows == ((EVIL, "all", "98.0 %", "90.0 %", "0.105", "0.020", "0.085"),)


def test_the_worst_slice_stands_beside_the_whole(report: Report) -> None:
    shown = slices(full(report))
    assert shown is not None
    assert shown.under.startswith("The worst of 2: kind = even, 76.7 % (56.4-89.3, n=30), beside 83.3 %")
    without = slices(of(report))
    assert without is not None
    assert without.under == ""


def test_columns_without_anything_are_left_out() -> None:
    section = Section(title="t", lead="l", heads=("a", "b", "c"), rows=(("x", "", "1"), ("y", "", "2")))
    assert section.filled() == (("a", "c"), (("x", "1"), ("y", "2")))


def test_a_chance_is_never_certain(report: Report) -> None:
    row = report.gap.boundaries[0]
    assert largest(msgspec.structs.replace(row, p_largest=1.0)) == ">99 %"
    assert largest(msgspec.structs.replace(row, p_largest=0.516)) == "52 %"
    assert largest(msgspec.structs.replace(row, p_largest=None)) == ""


def test_the_appendix_names_what_was_used(report: Report) -> None:
    shown = msgspec.structs.replace(report, gap=full(report))
    used = {name: quantities for name, _, quantities in methods(shown.gap)}
    assert "chances of being the largest" in used["cluster bootstrap"]
    assert "pass^k and pass@k" in used["t over cases"]
    assert ("Standard error of S", "0.0517 (0.0349 if all trials were independent)") in basis(shown)


@pytest.mark.parametrize(
    "face", [html.render, markdown.render, lambda report: text.render(report, width=100, color=False)]
)
def test_every_face_shows_them_and_names_stay_text(face: Callable[[Report], str], report: Report) -> None:
    gap = full(report)

    said = face(build(report.measurement, gap))
    for title in (
        "By layer",
        "Along the chain",
        "Retries",
        "Alone and in the chain",
        "Repeated trials",
        "Slices",
        "After review",
        "What the contracts did",
    ):
        assert title in said
    assert "in 52 % of resamples it is the largest" in " ".join(said.replace("\u00a0", " ").split())
    assert "<b>evil" not in said or face is not html.render
    assert "beside 83.3" in " ".join(said.replace("\u00a0", " ").split())
