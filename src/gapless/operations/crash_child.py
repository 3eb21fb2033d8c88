"""One life of a workflow that may be killed: `python -m gapless.operations.crash_child FILE`, as `gapless crash` starts it.

What the steps really did is told by a journal, line by line on disk before anything else happens; checkpoints and ledgers
are what is examined here, and are not believed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import Flow, Proceed
from gapless.boundary.guarding import Watch
from gapless.boundary.review import Place as At
from gapless.boundary.session import Session, current_session
from gapless.errors import DuplicateEffect
from gapless.records.base import Record
from gapless.records.crash import Moment
from gapless.review.inbox import Inbox
from gapless.settings import Place
from gapless.trace.recorder import TrialRecorder


class Life(Record, frozen=True, kw_only=True):
    """What the parent process asks for."""

    place: Place
    target: str | None
    folder: str
    """Where this cell keeps its journal and databases."""
    value: Any
    thread: str
    durability: str
    checkpointer: str
    guarded: bool
    step: str | None = None
    """Where to die; None to live."""
    moment: Moment = "before"


class Told(Record, frozen=True, kw_only=True):
    """What the child says at its end, if it has one."""

    status: str
    """ended | waiting | paused | asked | failed."""
    reason: str = ""
    restarted: bool = False


class Line(Record, frozen=True, kw_only=True):
    """A line of the journal."""

    what: str
    """ran | settled | delivered | died."""
    name: str = ""
    value: Any = None


class Journal:
    """What really happened, on disk before it is reported anywhere else."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, line: Line) -> None:
        """Adds a line."""
        data = msgspec.json.encode(line) + b"\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(self) -> list[Line]:
        """All lines so far."""
        if not self._path.exists():
            return []
        return [msgspec.json.decode(line, type=Line) for line in self._path.read_bytes().splitlines()]


class Killer:
    """Stands at every step's exit: notes what ran, and kills the process where it was told to."""

    def __init__(self, life: Life, journal: Journal) -> None:
        self._life, self._journal = life, journal
        self._ended = False
        """Whether the step has ended whose checkpoint is awaited."""

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """The middleware next to the step's own code."""
        here = crossing.step == self._life.step and not crossing.router
        if here:
            self._die("before")
        output = yield from proceed(crossing.state)
        if not crossing.router:
            self._journal.note(Line(what="ran", name=crossing.step))
        if here:
            self._die("after")
            self._ended = True
        return output

    def around(self, moment: Moment) -> None:
        """Told by the checkpointer and by the inbox."""
        if moment in ("approving", "approved") or self._ended:
            self._die(moment)

    def _die(self, moment: Moment) -> None:
        if self._life.step is not None and moment == self._life.moment:
            self._journal.note(Line(what="died", name=self._life.step))
            os.kill(os.getpid(), signal.SIGKILL)


class Counting(Inbox):
    """An inbox that notes each decision that is taken in."""

    journal: Journal
    killer: Killer

    def settle(self, question: dict[str, Any], place: At, answer: dict[str, Any]) -> bool:
        """Notes that a decision counts, around the moment it does."""
        self.killer.around("approving")
        first = super().settle(question, place, answer)
        if first:
            self.journal.note(Line(what="settled", name=str(question["subject"])))
        self.killer.around("approved")
        return first


async def live(life: Life) -> Told:
    """Begins the workflow, or goes on with it, until it ends, asks, or is killed."""
    from gapless.frameworks.function import FunctionWorkflow
    from gapless.operations.open import open_workflow

    journal = Journal(Path(life.folder) / "journal.jsonl")
    killer = Killer(life, journal)
    workflow = open_workflow(life.target, life.place)
    token = None
    try:
        if isinstance(workflow, FunctionWorkflow):
            session, run = _function(life, workflow, killer)
        else:
            session, run = _graph(life, workflow, journal, killer)
        token = current_session.set(session)
        status, output, restarted = await run()
        if status == "ended":
            journal.note(Line(what="delivered", value=_plain(output)))
        return Told(status=status, restarted=restarted)
    except DuplicateEffect as asked:
        return Told(status="asked", reason=str(asked))
    except Exception as error:  # the user's workflow may raise anything
        return Told(status="failed", reason=f"{type(error).__name__}: {error}"[:500])
    finally:
        if token is not None:
            current_session.reset(token)


def _plain(output: Any) -> Any:
    from gapless.records.value import to_plain

    return to_plain(output)


def _database(life: Life) -> str:
    return f"sqlite:///{Path(life.folder) / 'gapless.db'}"


def _function(life: Life, workflow: Any, killer: Killer) -> tuple[Session, Any]:
    from gapless.stores.ledger import DurableLedger

    watch = Watch(mode="guarded" if life.guarded else "baseline", scope=life.thread)
    if life.guarded:
        watch.ledger = DurableLedger(_database(life))
    session = Session(TrialRecorder(), case_input=life.value, middlewares=(killer,), watch=watch)

    async def run() -> tuple[str, Any, bool]:
        ending = await workflow.run(life.value, trial=life.thread)
        return ("paused" if ending.paused else "ended"), ending.output, False

    return session, run


def _graph(life: Life, workflow: Any, journal: Journal, killer: Killer) -> tuple[Session, Any]:
    from gapless.frameworks.langgraph.crashing import advance, saver
    from gapless.stores.ledger import DurableLedger

    session = Session(TrialRecorder(), case_input=life.value, middlewares=(killer,), live=True)

    async def run() -> tuple[str, Any, bool]:
        async with saver(life.checkpointer, killer.around) as checkpointer:
            durable = None
            if life.guarded:
                inbox = Counting(_database(life))
                inbox.journal, inbox.killer = journal, killer
                durable = (DurableLedger(_database(life), serializer=checkpointer.serde), inbox)
            done = await advance(
                workflow.graph, checkpointer, life.value, life.thread, life.durability, durable=durable
            )
            return done.status, done.output, done.restarted

    return session, run


def main() -> None:
    """Reads what is asked for, lives, and writes down how it ended."""
    asked = Path(sys.argv[1])
    life = msgspec.json.decode(asked.read_bytes(), type=Life)
    told = asyncio.run(live(life))
    asked.with_suffix(".told").write_bytes(msgspec.json.encode(told))
    sys.stdout.flush()
    os._exit(0)  # a step that was given up, or a server of the workflow's own, must not keep this life going


if __name__ == "__main__":
    main()
