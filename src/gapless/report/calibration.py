"""A calibration in words: what is guaranteed, what it costs, and what to do where nothing is."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gapless.records.calibration import Calibration, CurvePoint, GateThreshold, Realised, SignalQuality
from gapless.records.estimate import Estimate
from gapless.report.json import plain
from gapless.report.marked import code, prose
from gapless.report.marked import table as marked_table
from gapless.report.printable import printable
from gapless.report.wording import count, listed, percent, rate

_LITTLE = 0.1
_RISKS = {
    "joint": ("answers delivered and wrong", "at most {} of all answers are delivered and wrong"),
    "conditional": ("wrong among delivered", "at most {} of the delivered answers are wrong"),
}


def statement(made: Calibration) -> str:
    """The guarantee in words, or that there is none."""
    limit, sure = share(made.alpha), share(1 - made.delta)
    if not made.certified:
        return (
            f"No threshold can be certified: {_RISKS[made.risk][0]} at most {limit}, in at least {sure} of calibrations, on "
            f"{_basis(made)}. A gate that reads this file lets nothing pass."
        )
    unit = "" if "binomial" in made.method else ", each group counted once"
    return (
        f"In at least {sure} of calibrations like this one, {_RISKS[made.risk][1].format(limit)}, for cases drawn like these "
        f"{_basis(made)}{unit}, judged by the same checks. It says nothing of a single answer or of a part of the cases, and "
        "ends with any change of model, prompt, tools, index or traffic."
    )


def nearest(made: Calibration) -> CurvePoint | None:
    """The thresholds that came nearest to being certified and deliver something."""
    return min((point for point in made.curve if point.coverage > 0), key=lambda point: point.p, default=None)


def advice(
    made: Calibration,
    *,
    least: tuple[int | None, int | None] = (None, None),
    merged: int = 0,
    alike: int = 0,
    live: bool = False,
    read: bool = True,
) -> Iterator[str]:
    """What to know and what to do, the most urgent first.

    Args:
        made: The calibration, its statement still to come.
        least: Groups it takes without a wrong delivery, and with as many as the nearest threshold let through.
        merged: Groups that were counted as part of another, for they have the same input.
        alike: Trials of a table without inputs that are the same as one of another group, to the last digit.
        live: Whether the gates acted.
        read: Whether a gate reads its threshold from a file.
    """
    if not made.certified:
        yield from _why_not(made, *least)
    yield from _about_trials(made, merged, alike, live=live)
    delivered = made.calibrated.coverage.point
    if made.certified and delivered is not None and delivered < _LITTLE:
        yield f"It delivers only {percent(delivered)}: the signal tells little of right and wrong, and nearly everything goes to a person."
    for gate in made.gates:
        yield from _about(gate)
    yield from _by_holding_back(made)
    if made.certified and not read:
        yield 'No gate reads this file yet: write Gate(..., calibrated="gates.json") and measure in shadow again.'
    if made.average_threshold is not None:
        yield (
            f"Conformal risk control would pick {made.average_threshold:g}: alpha would hold on average over calibrations, and not "
            "with a stated confidence for this one."
        )


def _about_trials(made: Calibration, merged: int, alike: int, *, live: bool) -> Iterator[str]:
    """What is special about the trials, and what it does to the certificate."""
    if len(made.looks) > 1:
        yield (
            f"These trials were asked {len(made.looks)} different questions: each was given {made.delta:g}/{len(made.looks)} of "
            "delta. New trials start afresh."
        )
    if live:
        yield (
            "The gates acted while these trials ran: what they stopped has no verdict and counts as wrong, so that thresholds can "
            "only be tightened. Measure in shadow to loosen them."
        )
    if made.unknown and not live:
        yield f"{count(made.unknown, 'trial')} without a verdict: each counts as wrong where it would be delivered."
    if merged:
        yield f"{count(merged, 'group')} had the very input of another and count as part of it."
    if alike:
        yield (
            f"{count(alike, 'trial')} said and ended, to the last digit, as one of another group did. If they are the same cases "
            "again, the guarantee does not hold: give equal cases one `group` in the table, and ingest it again."
        )


def _by_holding_back(made: Calibration) -> Iterator[str]:
    """That a certificate is owed to people alone, where no gate is shown to know anything."""
    held, wrong = made.calibrated.reviews_per_1000.point, made.calibrated.conditional.point
    lows = [gate.quality[0].auroc.low for gate in made.gates if gate.quality]
    if (
        made.certified
        and held
        and wrong is not None
        and lows
        and all(low is not None and low <= 0.5 for low in lows)
    ):
        yield (
            f"The certificate holds because {percent(held / 1000)} of all go to a person, not because anything is known of the rest: "
            f"{percent(wrong)} of what is delivered is wrong."
        )


def _why_not(made: Calibration, least: int | None, needed: int | None) -> Iterator[str]:
    level = made.delta / len(made.looks)
    if least is not None and made.n_groups < least:
        yield (
            f"Too few: without a single wrong delivery it takes {least} independent groups at alpha {made.alpha:g} and delta "
            f"{level:g}; here are {made.n_groups}. Add cases, or ask for a larger alpha."
        )
        return
    best = nearest(made)
    if best is None:
        yield "Nothing would be delivered at any threshold: every signal is doubt."
        return
    if any(point.certified and point.coverage > 0 for point in made.curve):
        yield "Where the risk is kept, nothing that would be delivered was right: no threshold is of any use."
        return
    seen = best.joint if made.risk == "joint" else best.conditional or 0.0
    what = (
        f"The nearest was {_at(best)}: it delivers {percent(best.coverage)} and {percent(seen)} came out wrong "
        f"(p = {best.p:.3g}, needed {level:g})."
    )
    if needed is None:
        yield f"{what} The signal does not tell right from wrong well enough: more cases will not help, a better signal will."
    else:
        yield f"{what} With that share of wrong ones about {needed:,} groups would do; here are {made.n_groups:,}."


def _about(gate: GateThreshold) -> Iterator[str]:
    if gate.quality:
        best = gate.quality[0].auroc
        if best.low is not None and best.low <= 0.5 and best.point is not None:
            yield (
                f"{gate.step}: its confidence is not shown to tell right from wrong (AUROC {best.point:.2f}, "
                f"{best.low:.2f} to {best.high or 1:.2f}; 0.5 is a coin)."
            )
        for one in gate.quality[1:]:
            loss = one.loss_without
            if loss is not None and loss.high is not None and loss.high < 0:
                yield f"{gate.step}: the signal {one.name!r} makes the others worse; leave it out."


def render_json(made: Calibration) -> str:
    """The calibration for machines: `gapless.gates/1`, every key written out."""
    return json.dumps(plain(made), indent=2, ensure_ascii=False, allow_nan=False)


def render(made: Calibration, file: str | None = None) -> str:
    """The calibration for the terminal."""
    return "\n".join(_lines(printable(made), file))


def _lines(made: Calibration, file: str | None) -> Iterator[str]:
    yield made.statement
    yield ""
    for gate in made.gates:
        passes = "nothing passes" if gate.threshold is None else f"passes at {gate.threshold:g} or more"
        of = f" (of {', '.join(gate.signals)})" if gate.signals else ""
        yield f"  {gate.step}: {passes}{of}"
        yield from (f"      {line}" for line in _qualities(gate))
    yield ""
    yield from table(made)
    if made.advice:
        yield ""
        yield from (f"- {line}" for line in made.advice)
    if file is not None:
        yield ""
        yield f"Written: {file}"


def table(made: Calibration) -> Iterator[str]:
    """What the thresholds do, on the trials they come from and on fresh ones."""
    yield f"  {'':28}{'calibrated on':>28}" + (f"{'fresh trials':>28}" if made.tested else "")
    for name, words in ROWS:
        cells = [cell(getattr(one, name)) for one in (made.calibrated, made.tested) if one is not None]
        yield f"  {words:28}" + "".join(f"{text:>28}" for text in cells)
    for words, name in (
        ("best threshold in hindsight", "best_coverage"),
        ("a perfect gate delivers", "perfect_coverage"),
    ):
        values = [getattr(one, name) for one in (made.calibrated, made.tested) if one is not None]
        if any(value is not None for value in values):
            yield f"  {words:28}" + "".join(f"{'' if v is None else percent(v):>28}" for v in values)


ROWS = (
    ("joint", "delivered and wrong"),
    ("conditional", "wrong among delivered"),
    ("coverage", "delivered"),
    ("reviews_per_1000", "reviews per 1,000"),
)


def cell(estimate: Estimate) -> str:
    """A figure of the table with its interval."""
    if estimate.point is None:
        return estimate.reason or "not estimable"
    if estimate.point > 1 or (estimate.high or 0) > 1:
        return f"{estimate.point:.0f} ({estimate.low or 0:.0f}-{estimate.high or 0:.0f})"
    return rate(estimate)


def efficiency(realised: Realised) -> float | None:
    """Coverage as a share of what the best threshold in hindsight would have delivered."""
    if realised.coverage.point is None or not realised.best_coverage:
        return None
    return realised.coverage.point / realised.best_coverage


HEADS = ("", "AUROC (95 %)", "AURC", "above best", "ECE", "Brier", "AUROC without it")


def _qualities(gate: GateThreshold) -> Iterator[str]:
    """A table of what each signal knows, as wide as what stands in it."""
    rows = [list(HEADS), *([one.name, *qualities(one)] for one in gate.quality)]
    kept = [at for at in range(len(HEADS)) if at == 0 or any(row[at] for row in rows[1:])]
    widths = {at: max(len(row[at]) for row in rows) for at in kept}
    for row in rows:
        cells = (row[at].ljust(widths[at]) if at == 0 else row[at].rjust(widths[at]) for at in kept)
        yield "  ".join(cells).rstrip()


def qualities(one: SignalQuality) -> list[str]:
    """A signal's figures as cells: AUROC, AURC, excess AURC, ECE, Brier, what the model loses without it."""
    auroc, loss = one.auroc, one.loss_without
    plain_ = [one.aurc, one.excess_aurc, one.ece, one.brier]
    return [
        auroc.reason or ""
        if auroc.point is None
        else f"{auroc.point:.3f} ({auroc.low or 0:.3f}-{auroc.high or 1:.3f})",
        *("" if value is None else f"{value:.3f}" for value in plain_),
        ""
        if loss is None or loss.point is None
        else f"{-loss.point:+.3f} ({-(loss.high or 0):+.3f} to {-(loss.low or 0):+.3f})",
    ]


def render_markdown(made: Calibration) -> str:
    """The calibration for a pull request, where its file is reviewed."""
    return "\n\n".join(_parts(printable(made))) + "\n"


def _parts(made: Calibration) -> Iterator[str]:
    yield f"**{prose(made.statement)}**"
    heads = ["", "calibrated on", *(["fresh trials"] if made.tested else [])]
    shown = [one for one in (made.calibrated, made.tested) if one is not None]
    yield marked_table(heads, [[words, *(cell(getattr(one, name)) for one in shown)] for name, words in ROWS])
    for gate in made.gates:
        passes = "nothing passes" if gate.threshold is None else f"passes at {gate.threshold:g} or more"
        yield f"{code(gate.step)}: {passes}"
        yield marked_table(
            ["signal", *HEADS[1:]], [[prose(one.name), *qualities(one)] for one in gate.quality]
        )
    if made.advice:
        yield "\n".join(f"- {prose(line)}" for line in made.advice)


def _at(point: CurvePoint) -> str:
    return (
        f"a threshold of {point.thresholds[0]:g}"
        if len(point.thresholds) == 1
        else (f"thresholds of {listed([f'{value:g}' for value in point.thresholds])}")
    )


def _basis(made: Calibration) -> str:
    same = made.n_groups == made.n_runs
    return f"{made.n_runs:,} trials" if same else f"{made.n_runs:,} trials of {made.n_groups:,} groups"


def share(value: float) -> str:
    """A declared share, as people say it.

    Example:
        >>> share(0.05), share(0.9), share(0.025)
        ('5 %', '90 %', '2.5 %')
    """
    return f"{round(100 * value, 6):g} %"
