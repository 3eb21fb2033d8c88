"""What a reader must know when a model judged: who it was, how far it is to be trusted, and S corrected for its errors."""

from __future__ import annotations

from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.records.judge import JudgeQuality
from gapless.report.wording import count, level, listed, percent, shortened

COMMAND = "gapless judge"


def qualified(gap: Gap, first: str) -> str:
    """The headline's first sentence, saying whose verdicts it rests on where nobody has held them against people's."""
    judge = _asked(gap)
    if judge is None or judge.corrected.point is not None:
        return first
    whose = "a judge no better than chance" if judge.measured else "an unmeasured judge"
    return f"As {whose} sees it: {first}"


def sentences(gap: Gap) -> list[str]:
    """What is read with the headline."""
    return [*_silence(gap), *_trust(gap)]


def _silence(gap: Gap) -> list[str]:
    judge = gap.judge
    if judge is None or not judge.unknown:
        return []
    why = next((reason for reason in judge.unknown_reasons if reason), "")
    return [
        f"The judge gave no verdict on {count(judge.unknown, 'trial')}{f', mostly: {why}' if why else ''}."
    ]


def _trust(gap: Gap) -> list[str]:
    judge = _asked(gap)
    if judge is None:
        return []
    if judge.corrected.point is not None:
        return [
            f"The verdicts are {whose(judge)}'s; corrected for its errors on {count(judge.labelled, 'labelled trial')}, S = {told(judge.corrected)}."
        ]
    if judge.measured:
        return [
            f"The verdicts are {whose(judge)}'s and say nothing about S: it passes {percent(judge.sensitivity.point or 0.0)} of the right answers and {percent(1 - (judge.specificity.point or 0.0))} of the wrong ones."
        ]
    return [
        f"The verdicts are {whose(judge)}'s, {_unmeasured(judge)}. `{COMMAND}` draws trials to label; {_enough(judge)}."
    ]


def next_step(gap: Gap) -> tuple[str, str] | None:
    """Why, and the command that names the trials to label; None where the judge is known or did not decide."""
    judge = _asked(gap)
    if judge is None or judge.corrected.point is not None or judge.measured:
        return None
    return (
        f"Measure the judge: label trials drawn at random, so that S can be corrected for its errors. {_enough(judge).capitalize()}.",
        COMMAND,
    )


def told(estimate: Estimate) -> str:
    """A rate that is no plain share of trials, with its interval, or why there is none."""
    if estimate.point is None:
        return f"not estimable: {estimate.reason}" if estimate.reason else "not estimable"
    if estimate.low is None or estimate.high is None:
        return percent(estimate.point)
    return f"{percent(estimate.point)} ({level(estimate)} interval {100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def _asked(gap: Gap) -> JudgeQuality | None:
    """The judge, where S rests on it: people's labels may have taken its place everywhere."""
    judge = gap.judge
    if judge is None or not judge.decided or gap.success.point is None:
        return None
    return judge if judge.labelled - judge.labelled_elsewhere < judge.decided else None


def whose(judge: JudgeQuality) -> str:
    """The models that judged, as a sentence names them."""
    names = [shortened(name, 40) for name in judge.models[:3]]
    return listed(names) if names else "a model"


def _unmeasured(judge: JudgeQuality) -> str:
    if judge.labelled == 0:
        return "and nobody has held them against people's"
    missing = "right" if judge.sensitivity.point is None else "wrong"
    return f"and among {count(judge.labelled, 'labelled trial')} people called no answer {missing}, so its errors are not known"


def _enough(judge: JudgeQuality) -> str:
    return f"about {judge.labels_useful} of {judge.decided} will do"
