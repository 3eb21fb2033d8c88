"""Ranked suspects of tau-bench episodes against people's labels of the step at fault (AgentRx, retail), beside trivial rankings.

Needs a folder with `trajectories.jsonl` and `ground_truth.jsonl`; without it there is nothing to measure and this says
so. A label's `step_number` is the number of a message in `traj`, counted from 1 with the system message as the first:
"at step 7 the agent miscounted" is the seventh message, the agent's count. Some labels name a user's message; labels name
no tool result. The label of an episode is the failure that `root_cause` points to. An episode that has a label and no
trajectory is left out and counted. A ranking of step visits is read as a ranking of messages: a message stands where
the first of its visits does. Every message but the system's may be named, tool results too, by every ranking. A hit is
exact; rows that say "within 1" also take the message before and the one after.

No weight was fitted to these labels: what is assumed of evidence was fixed before (`gapless.gap.suspects`), and the
rest is learnt from which episodes were lost. tau-bench says which calls a right answer needs; the rows "reference hidden"
rank without that.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import clustered
from gapless.gap.paired import bonett_price, mcnemar, sign_flips
from gapless.gap.rate import proportion, t_quantile
from gapless.records.estimate import Estimate

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "agentrx_tau_retail"
DEPTHS = (1, 3, 5)
OURS, HIDDEN = "ranked suspects", "ranked suspects, reference hidden"
_REFERENCE = "not-expected"
Ranking = tuple[int, ...]
"""Message numbers, the most suspected first."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A labelled episode."""

    case: str
    messages: list[dict[str, Any]]
    label: int
    """Number of the message that people say was at fault, from 1."""

    @property
    def numbers(self) -> list[int]:
        """The messages that may be named."""
        return [at for at, message in enumerate(self.messages, 1) if message["role"] != "system"]


def episodes(folder: Path) -> tuple[list[Episode], list[str]]:
    """Labelled episodes in the order of the labels, and the labels without a trajectory."""
    lines = (folder / "trajectories.jsonl").read_text(encoding="utf-8").splitlines()
    known = {str(one["task_id"]): one["traj"] for one in map(json.loads, lines)}
    found: list[Episode] = []
    without: list[str] = []
    for line in (folder / "ground_truth.jsonl").read_text(encoding="utf-8").splitlines():
        truth = json.loads(line)
        case, root = str(truth["trajectory_id"]), truth["root_cause"]["failure_id"]
        step = next(one["step_number"] for one in truth["failures"] if one["failure_id"] == root)
        if case in known:
            found.append(Episode(case, known[case], int(step)))
        else:
            without.append(case)
    return found, without


def suspected(file: Path, *, hidden: frozenset[str] = frozenset()) -> dict[str, Ranking]:
    """Case -> the messages of its ranked suspects, after a real ingest into a store of its own.

    Args:
        file: A tau-bench result file.
        hidden: Names of evidence that the ranking must do without.
    """
    from gapless.operations.ingest import ingest
    from gapless.operations.open import open_store
    from gapless.operations.suspects import suspects_of
    from gapless.settings import Place, Settings

    with tempfile.TemporaryDirectory() as folder:
        place = Place(root=folder, settings=Settings(), database=f"sqlite:///{folder}/gapless.db")
        (measurement,) = ingest(place, [str(file)]).measurements
        with open_store(place) as store:
            told = suspects_of(store, measurement, keep=sys.maxsize, without=hidden)
    return {
        one.case: tuple(dict.fromkeys(s.message for s in one.suspects if s.message is not None))
        for one in told.trials
    }


def first_error(episode: Episode) -> Ranking:
    """The calls that were answered with an error, the first one first; then every message in time order."""
    calls = [at for at in episode.numbers if _failed(episode.messages, at)]
    return tuple(dict.fromkeys([*calls, *episode.numbers]))


def last_step(episode: Episode) -> Ranking:
    """The last message first."""
    return tuple(reversed(episode.numbers))


def most_talkative(episode: Episode) -> Ranking:
    """The longest message of user or agent first, calls counted with their arguments; tool results come last."""
    return tuple(sorted(episode.numbers, key=lambda at: (-_said(episode.messages[at - 1]), at)))


BASELINES: dict[str, Callable[[Episode], Ranking]] = {
    "first error": first_error,
    "last step": last_step,
    "most talkative": most_talkative,
}


def run(folder: Path = DATA) -> list[dict[str, Any]]:
    """Every figure with its interval.

    Args:
        folder: Where trajectories and labels are.
    """
    if not folder.is_dir():
        print(f"  not measured: no {folder.name} beside the repository", file=sys.stderr)
        return []
    labelled, without = episodes(folder)
    if without:
        print(f"  {len(without)} labels without a trajectory are left out: {', '.join(without)}")
    file = folder / "trajectories.jsonl"
    ours, hidden = suspected(file), suspected(file, hidden=frozenset({_REFERENCE}))
    rankings = {OURS: [ours.get(one.case, ()) for one in labelled]}
    rankings[HIDDEN] = [hidden.get(one.case, ()) for one in labelled]
    rankings |= {name: [ranks(one) for one in labelled] for name, ranks in BASELINES.items()}
    places = {name: _places(labelled, found) for name, found in rankings.items()}
    rows = [row for name, found in places.items() for row in _accuracy(name, found)]
    rows += _chance(labelled)
    for name in rankings:
        rows.append(_near(name, labelled, rankings[name]))
    for one, others in ((OURS, (HIDDEN, *BASELINES)), (HIDDEN, tuple(BASELINES))):
        for other in others:
            rows += _against(f"{one} less {other}", places[one], places[other])
        rows += _against_lot(f"{one} less by lot", labelled, places[one])
    return rows


def _failed(messages: Sequence[dict[str, Any]], at: int) -> bool:
    """Whether a message asks for a call that the next message answers with an error."""
    if not messages[at - 1].get("tool_calls") or at >= len(messages):
        return False
    return str(messages[at].get("content")).startswith("Error")


def _said(message: dict[str, Any]) -> int:
    if message["role"] == "tool":
        return -1
    calls = message.get("tool_calls") or ()
    return len(message.get("content") or "") + sum(len(call["function"]["arguments"]) for call in calls)


def _places(labelled: Sequence[Episode], rankings: Sequence[Ranking]) -> list[int | None]:
    """Where each label stands in its ranking, from 1; None where it is not in it."""
    return [
        found.index(one.label) + 1 if one.label in found else None
        for one, found in zip(labelled, rankings, strict=True)
    ]


def _hits(places: Sequence[int | None], k: int) -> list[bool]:
    return [place is not None and place <= k for place in places]


def _reciprocal(places: Sequence[int | None]) -> list[float]:
    return [0.0 if place is None else 1 / place for place in places]


def _accuracy(name: str, places: Sequence[int | None]) -> list[dict[str, Any]]:
    n = len(places)
    rows = [_row(f"{name}: top-{k}", proportion(sum(_hits(places, k)), n)) for k in DEPTHS]
    return [*rows, _row(f"{name}: mean reciprocal rank", clustered(_reciprocal(places), range(n)))]


def _chance(labelled: Sequence[Episode]) -> list[dict[str, Any]]:
    """What a ranking by lot is expected to hit."""
    sizes = [len(one.numbers) for one in labelled]
    shares = {f"top-{k}": [min(1.0, k / size) for size in sizes] for k in DEPTHS}
    shares["mean reciprocal rank"] = [sum(1 / place for place in range(1, size + 1)) / size for size in sizes]
    return [_mean(f"by lot: {what}", found) for what, found in shares.items()]


def _near(name: str, labelled: Sequence[Episode], rankings: Sequence[Ranking]) -> dict[str, Any]:
    hits = [
        bool(found) and abs(found[0] - one.label) <= 1 for one, found in zip(labelled, rankings, strict=True)
    ]
    return _row(f"{name}: top-1 within 1", proportion(sum(hits), len(hits)))


def _against(name: str, ours: Sequence[int | None], theirs: Sequence[int | None]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for k in DEPTHS:
        pairs = list(zip(_hits(ours, k), _hits(theirs, k), strict=True))
        gains, losses = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
        low, high = bonett_price(losses, gains, len(pairs))
        estimate = Estimate(point=(gains - losses) / len(pairs), low=low, high=high, n_runs=len(pairs))
        rows.append(_row(f"  {name}: top-{k}", estimate, mcnemar(losses, gains, exact=True)))
    what = f"  {name}: mean reciprocal rank"
    return [*rows, _mean_difference(what, _reciprocal(ours), _reciprocal(theirs))]


def _against_lot(name: str, labelled: Sequence[Episode], ours: Sequence[int | None]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for k in DEPTHS:
        hits = _hits(ours, k)
        chances = [min(1.0, k / len(one.numbers)) for one in labelled]
        what = f"  {name}: top-{k}"
        rows.append(
            _mean_difference(what, [float(hit) for hit in hits], chances, _by_lot(sum(hits), chances))
        )
    return rows


def _by_lot(hits: int, chances: Sequence[float]) -> float:
    """The exact chance that lots hit at least so often, each episode with its own chance (Poisson binomial)."""
    of_hits = np.ones(1)
    for chance in chances:
        of_hits = np.convolve(of_hits, [1 - chance, chance])
    return float(of_hits[hits:].sum())


def _mean_difference(
    what: str, ours: Sequence[float], theirs: Sequence[float], p: float | None = None
) -> dict[str, Any]:
    """Student's t over the episodes' differences, tested by sign flips where no p is given."""
    x = np.asarray(ours) - np.asarray(theirs)
    return _mean(what, x, sign_flips(x) if p is None else p)


def _mean(what: str, values: Sequence[float] | NDArray[np.float64], p: float | None = None) -> dict[str, Any]:
    x = np.asarray(values)
    half = t_quantile(0.95, len(x) - 1) * float(x.std(ddof=1)) / len(x) ** 0.5
    mean = float(x.mean())
    return _row(what, Estimate(point=mean, low=mean - half, high=mean + half, n_runs=len(x)), p)


def _row(what: str, estimate: Estimate, p: float | None = None) -> dict[str, Any]:
    limits = (
        "" if estimate.low is None or estimate.high is None else f"({estimate.low:.3f}, {estimate.high:.3f})"
    )
    return {
        "what": what,
        "value": estimate.point,
        "unit": f"n={estimate.n_runs}",
        "ratio": limits,
        "target": "" if p is None else f"p={p:.3g}",
        "low": estimate.low,
        "high": estimate.high,
        "p": p,
    }
