"""What a reader must know when a model judged: who it was, how far it is to be trusted, and S corrected for its errors."""

from __future__ import annotations

from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.records.judge import JudgeQuality
from gapless.report.wording import count, level, listed, percent, shortened

COMMAND = "gapless judge"


def qualified(gap: Gap, first: str) -> str:
    """The headline's first sentence, saying whose verdicts it rests on where nobody knows how far to trust them."""
    judge = _asked(gap)
    if judge is None or _known(judge):
        return first
    first = first[0].lower() + first[1:] if first.startswith("None") else first
    return f"As {_seer(judge)} sees it, {first}"


def sentences(gap: Gap) -> list[str]:
    """What is read with the headline."""
    return [*_silence(gap), *_trust(gap)]


def next_step(gap: Gap) -> tuple[str, str] | None:
    """Why, and the command that names the trials to label; None where the judge is known, or known to be useless."""
    judge = _asked(gap)
    if judge is None or _known(judge) or _useless(judge):
        return None
    return (
        f"Measure the judge: label trials drawn at random, so that S can be corrected for its errors. {_enough(judge).capitalize()}.",
        COMMAND,
    )


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
    verdicts = f"The verdicts are {whose(judge)}'s"
    labels = count(judge.labelled, "labelled trial")
    if _known(judge):
        said = told(judge.corrected)
        return [
            f"{verdicts}; corrected for its errors on {labels}, S {'is' if said[0] == 'a' else '='} {said}."
        ]
    if _useless(judge):
        passes = percent(judge.sensitivity.point or 0.0), percent(1 - (judge.specificity.point or 0.0))
        return [
            f"{verdicts} and say nothing about S: it passes {passes[0]} of the right answers and {passes[1]} of the wrong ones."
        ]
    if judge.measured:
        return [
            f"{verdicts}, and {labels} do not tell it from chance: S may be anything. `{COMMAND}` draws more to label; {_enough(judge)}."
        ]
    return [f"{verdicts}, {_unmeasured(judge)}. `{COMMAND}` draws trials to label; {_enough(judge)}."]


def _known(judge: JudgeQuality) -> bool:
    """Whether labels say enough of the judge for S to be corrected; limits of 0 and 1 say nothing."""
    low, high = judge.corrected.low, judge.corrected.high
    return judge.corrected.point is not None and (low or 0.0, high if high is not None else 1.0) != (0.0, 1.0)


def _useless(judge: JudgeQuality) -> bool:
    return judge.measured and judge.corrected.point is None


def _seer(judge: JudgeQuality) -> str:
    if _useless(judge):
        return "a judge no better than chance"
    return "a judge not told from chance" if judge.measured else "an unmeasured judge"


def told(estimate: Estimate) -> str:
    """A rate that is no plain share of trials, with its interval, or why there is none."""
    if estimate.point is None:
        return f"not estimable: {estimate.reason}" if estimate.reason else "not estimable"
    if estimate.low is None or estimate.high is None:
        return percent(estimate.point)
    if estimate.point >= 1:
        return f"at least {percent(estimate.low)}"
    if estimate.point <= 0:
        return f"at most {percent(estimate.high)}"
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
    if judge.labelled >= judge.labels_useful:
        return f"of {judge.decided}, more are needed than the {judge.labelled} so far"
    return f"about {judge.labels_useful} of {judge.decided} will do"
