"""What to type next: one command per thing that would make the answer better."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePath

from gapless.records.gap import PSEUDO_EXITS, Gap, NextLabel
from gapless.records.measurement import Measurement
from gapless.records.report import NextStep
from gapless.report import judge
from gapless.report.headline import largest_loss
from gapless.report.wording import boundary, count, shortened

_WIDE = 0.2
_FEW = 30


def next_steps(measurement: Measurement, gap: Gap, target_hint: str | None = None) -> Iterator[NextStep]:
    """The most useful commands, the best first.

    Args:
        measurement: What was measured.
        gap: What the arithmetic says about it.
        target_hint: What a command calls the workflow, where the measurement's own target is no name.
    """
    again = _Again(measurement, target_hint)
    if gap.n_runs == 0:
        if again.named:
            yield NextStep(why=again.why("Run the cases."), command=again.measure(measurement.trials))
        return
    if (measuring := judge.next_step(gap)) is not None:
        yield NextStep(why=measuring[0], command=f"{measuring[1]} {measurement.id}")
    if gap.next_label is not None:
        yield _label(measurement, gap.next_label)
    judged = gap.success.point is not None
    if judged and again.named:
        if _lacks_benchmark(measurement, gap):
            yield NextStep(
                why=again.why(
                    "Run each step alone on golden inputs: without that nothing says what length alone costs.",
                    weather=False,
                ),
                command=again.benchmark(),
            )
        if (why := _too_wide(gap)) is not None:
            more = 2 if gap.n_groups >= _FEW else 0
            yield NextStep(why=again.why(why), command=again.measure(measurement.trials + more))
    yield from _look(measurement, gap)
    yield NextStep(
        why="Forward this as one file.", command=f"gapless report {measurement.id} --html report.html"
    )


class _Again:
    """Commands that ask the same question again."""

    def __init__(self, measurement: Measurement, target_hint: str | None) -> None:
        self._m = measurement
        target = target_hint or measurement.target
        # A live object has no name a command could use, and neither a program that was
        # recorded nor a run table has a suite to run again.
        ran_here = measurement.condition != "run" and measurement.ingested is None
        self.named = target_hint is not None or (":" in target and ran_here)
        known = measurement.settings
        self._target = "" if target == known.get("workflow") else shlex.quote(target)
        # What was typed is typed again; a suite that gapless.toml names needs no word, and of others only the name is known.
        in_settings = (
            isinstance(known.get("suite"), str) and PurePath(known["suite"]).stem == measurement.suite
        )
        typed = "suite" in measurement.sources
        self._suite = "" if in_settings and not typed else f"--suite {_source(measurement, 'suite', 'SUITE')}"
        self._weather = f"--weather {_source(measurement, 'weather', 'WEATHER')}"

    def why(self, reason: str, *, weather: bool = True) -> str:
        """The reason, with what stands for the words in capitals."""
        known = [f"SUITE: the file of {self._m.suite!r}"] if self._suite.endswith(" SUITE") else []
        if weather and self._m.weather is not None and self._weather.endswith(" WEATHER"):
            known.append("WEATHER: the same as before")
        return f"{reason} ({'; '.join(known)})" if known else reason

    def measure(self, trials: int) -> str:
        """`gapless measure`, such that it extends this measurement."""
        m = self._m
        words = ["gapless measure", self._target, self._suite]
        if m.condition != "baseline":
            words.append(f"--condition {shlex.quote(m.condition)}")
        if m.weather is not None:
            words.append(self._weather)
        if m.settings.get("seed") is not None:
            words.append(f"--seed {m.seed}")
        words.append(f"--trials {trials}")
        return " ".join(word for word in words if word)

    def benchmark(self) -> str:
        """`gapless benchmark` of the same workflow and suite."""
        target = f"--target {self._target}" if self._target else ""
        return " ".join(word for word in ("gapless benchmark", target, self._suite) if word)


def _source(measurement: Measurement, what: str, otherwise: str) -> str:
    """What the user typed for it, ready to be typed again; a word in capitals where it is not known."""
    given = measurement.sources.get(what)
    return shlex.quote(given) if given is not None else otherwise


def _label(measurement: Measurement, label: NextLabel) -> NextStep:
    where = f"at {shortened(label.exit, 32)}" if label.exit not in PSEUDO_EXITS else "end to end"
    return NextStep(
        why=f"Judge the trial whose label narrows the answer most ({where}: expected width {100 * label.width:.1f} -> "
        f"{100 * label.expected_width:.1f} points). This shows it; add --correct or --wrong.",
        command=f"gapless label {shlex.quote(f'{label.case}#{label.trial}')} --measurement {measurement.id}",
    )


def _lacks_benchmark(measurement: Measurement, gap: Gap) -> bool:
    if gap.compounding.predicted.point is not None:
        return False
    done = {component.step for component in gap.components}
    wanted = {step.name for step in measurement.shape.steps if not step.router and not step.review}
    return not done or bool(wanted - done)


def _too_wide(gap: Gap) -> str | None:
    low, high = gap.success.low, gap.success.high
    if low is None or high is None or gap.n_groups == 0 or gap.outcomes.get("unjudged"):
        return None
    width = 100 * (high - low)
    if gap.n_groups < _FEW:
        return f"Add cases to the suite, then measure again: {count(gap.n_groups, 'independent one')} leave S {width:.0f} points wide, and repeating what is there cannot mend that."
    if high - low > _WIDE:
        return (
            f"S is {width:.0f} points wide. More cases narrow it most; repeating each case is the quickest."
        )
    return None


def _look(measurement: Measurement, gap: Gap) -> Iterator[NextStep]:
    lost = largest_loss(gap) if gap.success.point is not None else None
    if lost is not None and lost.examples:
        where = boundary(lost.exit, lost.receivers)
        yield NextStep(
            why=f"See what happened in a trial that was lost at {where}.",
            command=f"gapless label {shlex.quote(lost.examples[0])} --measurement {measurement.id}",
        )
