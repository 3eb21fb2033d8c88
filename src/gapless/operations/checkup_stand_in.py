"""What is on record of the reference agent, for a checkup that has no other workflow: measured and replayed there and then."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gapless.operations.checkup_halting import aside
from gapless.operations.demo_stage import Stage
from gapless.operations.measure import Ask, measure_into
from gapless.operations.progress import Progress, Stop, Tell
from gapless.records.measurement import Measurement
from gapless.settings import Place, Settings

if TYPE_CHECKING:
    from gapless.operations.demo import Agent

CASES = 8
"""Cases that the reference agent is measured on; the embedded model writes a draft for each, once per user.

They leave replays `ok?`: 73 suppliers in a row would show the 95 % that are asked for, there are 40, and their drafts would take
the first checkup a minute more.
"""


@asynccontextmanager
async def stand_in(agent: Agent, tell: Tell, stop: Stop, halted: asyncio.Event) -> AsyncGenerator[Stage]:
    """A stage in a folder of its own that is gone afterwards: the user's store holds nothing of it.

    Raises:
        Halted: Stopping was requested before it was prepared.
    """
    with tempfile.TemporaryDirectory(prefix="gapless-checkup-") as folder:
        from gapless.operations.open import open_store

        database = f"sqlite:///{Path(folder) / 'gapless.db'}"
        place = Place(root=folder, settings=Settings(), database=database)

        def say(what: str) -> None:
            tell(Progress(what=what, done=0, total=1, fresh=0))

        with open_store(place) as store:
            try:
                await aside(halted, lambda: agent.prepare(say, None))
                yield Stage(store=store, place=place, tell=tell, say=say, stop=stop)
            finally:
                agent.close()


async def measured_there(agent: Agent, stage: Stage) -> Measurement:
    """The agent measured on a few of its cases, in clear weather.

    Raises:
        GaplessError: Its weights are not at hand and cannot be fetched, or it cannot be measured.
    """
    stage.say(f"the reference agent on {CASES} of its cases")
    measured = await measure_into(
        stage.store,
        agent.workflow(),
        agent.suite(CASES),
        Ask(),
        place=stage.place,
        tell=stage.tell,
        stop=stage.stop,
    )
    return measured.measurement
