"""`gapless crash`: the workflow is killed at every moment of every step, resumed in another process, and what is left is counted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.errors import InvalidTarget, UnknownName, UsageError
from gapless.operations.crash_child import Journal, Life, Line, Told
from gapless.operations.crash_count import Kill, counted
from gapless.operations.open import open_suite, open_workflow
from gapless.operations.progress import Progress, Stop, Tell, silent
from gapless.records.crash import CrashCell, CrashTable, Moment
from gapless.records.value import digest, encode
from gapless.records.workflow import Shape
from gapless.settings import Place, locate

if TYPE_CHECKING:
    from gapless.evals.workflow import Workflow
    from gapless.records.suite import Case

DURABILITIES = ("sync", "async", "exit")
_IN_STEP: tuple[Moment, ...] = ("before", "after", "uncommitted", "committed")
_AT_GATE: tuple[Moment, ...] = ("approving", "approved")
_FEW_STEPS = 4
_MOST_LIVES = 8
_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashAsk:
    """Which kills. Empty means: all that matter."""

    steps: tuple[str, ...] = ()
    durabilities: tuple[str, ...] = ()
    checkpointer: str | None = None
    """A PostgreSQL URL; SQLite files when None."""
    case: str | None = None
    """Id of the case it runs on; the suite's first when None."""
    full: bool = False
    """Every step, not only those with effects and gates."""
    jobs: int = 2
    """Processes at once."""


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all cells have in common."""

    place: Place
    target: str | None
    value: Any
    folder: Path
    checkpointer: str
    effects: frozenset[str]
    stop: Stop


async def crash(
    target: Any = None,
    suite: Any = None,
    *,
    ask: CrashAsk | None = None,
    place: Place | None = None,
    tell: Tell = silent,
    stop: Stop | None = None,
) -> CrashTable:
    """Kills a workflow everywhere, resumes it, and says what happened twice, what was lost, and what was asked.

    Args:
        target: "app.py:graph" or "package.module:name": every life is a process of its own, which imports it. The
            settings' workflow when None.
        suite: As for `gapless.measure`; one case of it is run.
        ask: Which kills.
        place: Settings and folder; the current one when None.
        tell: Is told how far it is.
        stop: Ends it early; what is done is kept.

    Returns:
        The table. The same call again goes on where it stopped.

    Raises:
        UsageError: The workflow or the suite cannot be used as given, or it does not end when nobody kills it.
    """
    ask, place, stop = ask or CrashAsk(), place or locate(), stop or Stop()
    if target is not None and not isinstance(target, str):
        raise InvalidTarget(
            "crash runs the workflow in processes of their own: name it (app.py:graph), so that they can import it."
        )
    workflow = open_workflow(target, place)
    cases = open_suite(suite, place)
    case = _case(cases.cases, ask.case)
    kind, checkpointer = _checkpointer(workflow, ask)
    key = digest(encode([*_counts(workflow, place), case.id, cases.digest(), ask.checkpointer or kind]))
    bench = _Bench(
        place=place,
        target=None if target is None else _absolute(target),
        value=case.input,
        folder=place.folder / "crash" / key,
        checkpointer=checkpointer,
        effects=frozenset(step.name for step in workflow.shape.steps if step.effect),
        stop=stop,
    )
    bench.folder.mkdir(parents=True, exist_ok=True)
    kills, left_out = _kills(workflow.shape, ask, kind)
    cells = await _all(bench, kills, ask.jobs, tell)
    return CrashTable(
        target=workflow.target,
        case=case.id,
        checkpointer=kind,
        effects=tuple(sorted(bench.effects)),
        cells=tuple(cells),
        left_out=left_out,
        notes=_notes(workflow.shape, kind),
        complete=len(cells) == len(kills),
    )


def _counts(workflow: Workflow, place: Place) -> list[Any]:
    """What decides how a kill comes out and what of it counts: kills made before a step was declared to act are no kills of now."""
    said = msgspec.to_builtins(place.settings.steps)
    return [workflow.fingerprint, msgspec.to_builtins(workflow.shape), said]


def _case(cases: Sequence[Case], wanted: str | None) -> Case:
    for case in cases:
        if wanted is None or case.id == wanted:
            return case
    raise UnknownName(f"the suite has no case {wanted!r}.")


def _absolute(target: str) -> str:
    """A target that a process in any folder finds."""
    path, colon, name = target.rpartition(":")
    return f"{Path(path).resolve()}{colon}{name}" if path.endswith(".py") else target


def _checkpointer(workflow: Workflow, ask: CrashAsk) -> tuple[str, str]:
    from gapless.frameworks.function import FunctionWorkflow

    if isinstance(workflow, FunctionWorkflow):
        return "none", ""
    if not hasattr(workflow, "graph"):
        raise UsageError(
            f"{workflow.target}: crash knows LangGraph graphs and functions; this is neither, and has no checkpoints."
        )
    return ("postgres", ask.checkpointer) if ask.checkpointer else ("sqlite", "")


def _kills(shape: Shape, ask: CrashAsk, kind: str) -> tuple[list[Kill], tuple[str, ...]]:
    known = [step.name for step in shape.steps if not step.router and not step.review]
    for name in ask.steps:
        if name not in known:
            raise UnknownName(f"there is no step {name!r}. The steps here: {', '.join(known)}.")
    for mode in ask.durabilities:
        if mode not in DURABILITIES:
            raise UnknownName(f"there is no durability {mode!r}. LangGraph's are {', '.join(DURABILITIES)}.")
    gated = {step.name for step in shape.steps if "gate" in step.guards}
    steps, left_out = list(ask.steps or known), ()
    if not ask.steps and not ask.full and len(known) > _FEW_STEPS:
        matter = [step.name for step in shape.steps if step.effect or step.name in gated]
        steps = [name for name in known if name in matter] or known[:_FEW_STEPS]
        left_out = (
            f"Steps {', '.join(name for name in known if name not in steps)}: --full kills there too, --step at one.",
        )
    modes = [True, False] if shape.guarded else [False]
    durabilities = ("none",) if kind == "none" else (ask.durabilities or DURABILITIES)
    kills = [
        Kill(guarded, durability, step, moment)
        for durability in durabilities
        for step in steps
        for moment in (
            *(_IN_STEP[:2] if kind == "none" else _IN_STEP),
            *(_AT_GATE if step in gated and kind != "none" else ()),
        )
        for guarded in modes
        if guarded or moment not in _AT_GATE
    ]
    return kills, left_out


def _notes(shape: Shape, kind: str) -> tuple[str, ...]:
    found: list[str] = []
    if not any(step.effect for step in shape.steps):
        found.append(
            "No step is declared to have an effect: mark those that change the world (effect = true under [steps.NAME], or "
            "Contract(effect=True)). Until then every step that runs again is merely counted as repeated."
        )
    if not shape.guarded:
        found.append("The workflow is under no contract: there is nothing to compare with.")
    if kind == "none":
        found.append(
            "A function has no checkpoints: after a kill its caller has to call it again, and every step runs again."
        )
    return tuple(found)


# -- running -----------------------------------------------------------------------------------------------------------


async def _all(bench: _Bench, kills: Sequence[Kill], jobs: int, tell: Tell) -> list[CrashCell]:
    done: dict[Kill, CrashCell] = {kill: cell for kill in kills if (cell := _kept(bench, kill)) is not None}
    before, fresh = len(done), 0
    tell(Progress(what="kills", done=before, total=len(kills), fresh=0))
    todo = [kill for kill in kills if kill not in done]
    whole = {
        guarded: await _life_of(bench, Kill(guarded, todo[0].durability, None, "before"))
        for guarded in {kill.guarded: None for kill in todo}
    }
    waiting = iter(todo)

    async def work(mine: Iterator[Kill]) -> None:
        nonlocal fresh
        for kill in mine:
            if bench.stop.requested:
                return
            cell = await _cell(bench, kill, whole[kill.guarded])
            if cell is None:
                return
            (bench.folder / f"{kill.name}.json").write_bytes(msgspec.json.encode(cell))
            done[kill] = cell
            fresh += 1
            tell(Progress(what="kills", done=before + fresh, total=len(kills), fresh=fresh))

    await asyncio.gather(*(work(waiting) for _ in range(max(1, jobs))))
    return [done[kill] for kill in kills if kill in done]


def _kept(bench: _Bench, kill: Kill) -> CrashCell | None:
    path = bench.folder / f"{kill.name}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=CrashCell)
    except (OSError, msgspec.DecodeError):
        return None  # never run, or cut off while it was written


async def _life_of(bench: _Bench, kill: Kill) -> list[Line]:
    """What happens when nobody kills.

    Raises:
        UsageError: It does not even end then.
    """
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        lives = await _lives(bench, kill, Path(folder))
        last = lives[-1]
        if not bench.stop.requested and (last is None or last.status not in ("ended", "paused")):
            said = "it was stopped" if last is None else f"{last.status}: {last.reason}"
            raise UsageError(
                f"the workflow does not end even when nobody kills it ({said}). Mend that first."
            )
        return Journal(Path(folder) / "journal.jsonl").read()


async def _cell(bench: _Bench, kill: Kill, whole: Sequence[Line]) -> CrashCell | None:
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        lives = await _lives(bench, kill, Path(folder))
        if bench.stop.requested:
            return None
        lines = Journal(Path(folder) / "journal.jsonl").read()
        found = await asyncio.to_thread(_open_runs, Path(folder)) if kill.guarded else False
        return counted(kill, bench.effects, lives, lines, whole, found=found)


async def _lives(bench: _Bench, kill: Kill, folder: Path) -> list[Told | None]:
    """One life after the other until it ends; None for one that was killed."""
    told: list[Told | None] = []
    while len(told) < _MOST_LIVES and not bench.stop.requested:
        died = any(line.what == "died" for line in Journal(folder / "journal.jsonl").read())
        life = Life(
            place=bench.place,
            target=bench.target,
            folder=str(folder),
            value=bench.value,
            thread=f"crash-{folder.name}",
            durability=kill.durability,
            checkpointer=bench.checkpointer or str(folder / "threads.db"),
            guarded=kill.guarded,
            step=None if died else kill.step,
            moment=kill.moment,
        )
        if died and told and told[-1] is None and kill.guarded:
            await asyncio.to_thread(_note_found, folder)
        told.append(await _one_life(life, folder, len(told), bench.stop))
        last = told[-1]
        if last is not None and last.status != "waiting":
            break
    return told


def _note_found(folder: Path) -> None:
    """Whether the run is known after the kill, before anybody goes on with it."""
    from gapless.stores.ledger import RUN, DurableLedger

    ledger = DurableLedger(f"sqlite:///{folder / 'gapless.db'}")
    try:
        if any(action.step == RUN for action in ledger.asked()):
            (folder / "found").touch()
    finally:
        ledger.close()


def _open_runs(folder: Path) -> bool:
    return (folder / "found").exists()


async def _one_life(life: Life, folder: Path, number: int, stop: Stop) -> Told | None:
    asked = folder / f"life-{number}.json"
    asked.write_bytes(msgspec.json.encode(life))
    command = (sys.executable, "-m", "gapless.operations.crash_child", str(asked))
    with (folder / f"life-{number}.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            await asyncio.wait_for(_ended(child, stop), _LIMIT_S)
        except TimeoutError:
            return Told(status="failed", reason=f"it did not end within {_LIMIT_S:g} s")
        finally:
            _end(child)  # with everything it started: a killed process cannot tidy up
            await child.wait()
    said = asked.with_suffix(".told")
    if said.exists():
        return msgspec.json.decode(said.read_bytes(), type=Told)
    if child.returncode != -signal.SIGKILL:
        tail = (folder / f"life-{number}.log").read_text(errors="replace").strip().splitlines()
        return Told(status="failed", reason=(tail or ["it said nothing"])[-1][:500])
    return None


async def _ended(child: asyncio.subprocess.Process, stop: Stop) -> None:
    while child.returncode is None and not stop.requested:
        try:
            await asyncio.wait_for(asyncio.shield(child.wait()), 0.2)
        except TimeoutError:
            continue


def _end(child: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
