"""Holds a checkup against `[checkup.budget]`: by status, by what had to be measured, and by the intervals of figures."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from gapless.records.budget import Kept
from gapless.records.finding import USUAL, CheckupLimit, Figure, Finding, Status
from gapless.settings import CheckupBudget, FigureLimit

_BREAKS: dict[str, tuple[Status, ...]] = {
    "fail": ("fail",),
    "warn": ("fail", "warn"),
    "undecided": ("fail", "warn"),
    "nothing": (),
}
_DEMANDS = {
    "fail": "no finding may fail",
    "warn": "no finding may warn or fail",
    "undecided": "every finding must hold, and be shown to",
}


def need_known(budget: CheckupBudget) -> None:
    """Refuses a budget that names what is not there.

    Raises:
        UnknownName: No such probe.
    """
    from gapless.probes.shelf import SHELF, unknown

    for name in (*budget.measured, *(limit.probe for limit in budget.limits)):
        if name not in SHELF:
            raise unknown(name, "[checkup.budget]: ")


def held(findings: Sequence[Finding], budget: CheckupBudget) -> tuple[CheckupLimit, ...]:
    """Every demand of a budget held against findings; of probes that were not asked it demands nothing."""
    asked = {finding.probe for finding in findings}
    if budget == CheckupBudget():
        return (_without(findings),)
    lines = [_status(findings, budget)] if budget.fail_on != "nothing" else []
    lines += [_measured(name, findings) for name in budget.measured if name in asked]
    for limit in budget.limits:
        if limit.probe in asked:
            lines += _limited(limit, [finding for finding in findings if finding.probe == limit.probe])
    return tuple(lines)


def passes(lines: Sequence[CheckupLimit], budget: CheckupBudget) -> bool:
    """Whether the lines let a checkup pass."""
    bad = ("broken", "undecided") if budget.undecided == "fail" else ("broken",)
    return not any(line.verdict in bad for line in lines)


def _status(findings: Sequence[Finding], budget: CheckupBudget) -> CheckupLimit:
    open_too = budget.fail_on == "undecided"
    found = [f for f in findings if f.status in _BREAKS[budget.fail_on] or (open_too and f.undecided)]
    what = _DEMANDS[budget.fail_on]
    said = (
        f"{what}: {', '.join(dict.fromkeys(f.probe for f in found))}"
        if found
        else f"{what}, and {'all do' if open_too else 'none does'}"
    )
    return CheckupLimit(name="fail_on", verdict="broken" if found else "kept", sentence=said)


def _without(findings: Sequence[Finding]) -> CheckupLimit:
    """What holds where nobody set a budget."""
    failed = dict.fromkeys(finding.probe for finding in findings if finding.status == "fail")
    said = f"no finding may fail where no budget says otherwise: {', '.join(failed)}"
    if not failed:
        said = "no finding may fail where no budget says otherwise, and none does"
    return CheckupLimit(name=USUAL, verdict="broken" if failed else "kept", sentence=said)


def _measured(name: str, findings: Sequence[Finding]) -> CheckupLimit:
    mine = [finding for finding in findings if finding.probe == name]
    missing = next((finding for finding in mine if finding.status == "not-applicable"), None)
    if missing is not None:
        said = f"{name} must be measured, and was not: {missing.said}"
        return CheckupLimit(name="measured", verdict="broken", sentence=said)
    return CheckupLimit(name="measured", verdict="kept", sentence=f"{name} was measured")


def _limited(limit: FigureLimit, mine: Sequence[Finding]) -> Iterable[CheckupLimit]:
    name = f"{limit.probe}: {limit.figure}" if limit.figure else limit.probe
    chosen = [figure for finding in mine for figure in _chosen(finding, limit.figure)]
    for figure in chosen:
        verdict, said = _judged(figure, limit)
        yield CheckupLimit(name=name, verdict=verdict, sentence=f"{limit.probe}: {said}")
    if not chosen:
        verdict, said = _missing(limit, mine)
        yield CheckupLimit(name=name, verdict=verdict, sentence=f"{name} ({_allowed(limit)}): {said}")


def _missing(limit: FigureLimit, mine: Sequence[Finding]) -> tuple[Kept, str]:
    """No figure is called so: undecided where nothing was measured or n is too small, broken where the name is a mistake."""
    there = list(dict.fromkeys(figure.name for finding in mine for figure in finding.figures))
    if not there:
        return "undecided", f"it has no figures: {mine[0].said}"
    if any(_kind(name).startswith(_kind(limit.figure)) for name in there):
        return "undecided", f"that quantile was not estimable; its figures: {', '.join(there)}"
    words = limit.figure.lower().split()
    near = next((name for name in there if all(word in name.lower() for word in words)), None)
    near = near or next(iter(difflib.get_close_matches(limit.figure, there, 1, 0.5)), None)
    hint = f" Did you mean {near!r}?" if near else ""
    return "broken", f"no figure of it begins so.{hint} Its figures: {', '.join(there)}"


def _kind(name: str) -> str:
    """A figure's name without which quantile it is."""
    return re.sub(r"\bp\d+(\.\d+)?", "p", name)


def _chosen(finding: Finding, begins: str) -> Iterable[Figure]:
    if not begins:
        return finding.figures[:1]
    return [figure for figure in finding.figures if figure.name.startswith(begins)]


def _judged(figure: Figure, limit: FigureLimit) -> tuple[Kept, str]:
    wanted = _allowed(limit)
    unit = f" {figure.unit}" if figure.unit else ""
    ends = _ends(figure)
    if ends is None:
        return (
            "undecided",
            f"{figure.name} is {figure.value:.3g}{unit}, without an interval: a point alone decides nothing (allowed: {wanted})",
        )
    low, high = ends
    where = f"{figure.value:.3g}{unit}" + (f" ({low:.3g} to {high:.3g})" if high > low else "")
    said = f"{figure.name} is {where}; allowed is {wanted}"
    least, most = limit.min, limit.max
    if (least is not None and high < least) or (most is not None and low > most):
        return "broken", said
    if (least is None or low >= least) and (most is None or high <= most):
        return "kept", said
    return "undecided", said


def _allowed(limit: FigureLimit) -> str:
    parts = [f"at least {limit.min:g}"] if limit.min is not None else []
    parts += [f"at most {limit.max:g}"] if limit.max is not None else []
    return " and ".join(parts)


def _ends(figure: Figure) -> tuple[float, float] | None:
    """The interval or spread of a figure; a plain count is what it is; None where neither is known."""
    if figure.low is not None and figure.high is not None:
        return figure.low, figure.high
    counted = figure.unit == "" or figure.unit.startswith("of ")
    return (figure.value, figure.value) if counted and float(figure.value).is_integer() else None
