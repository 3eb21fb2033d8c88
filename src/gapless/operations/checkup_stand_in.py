"""What is on record of the reference agent, for a checkup that has no other workflow: measured and replayed there and then."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gapless.operations.demo_stage import Stage
from gapless.operations.measure import Ask, measure_into
from gapless.operations.progress import Progress, Stop, Tell
from gapless.records.measurement import Measurement
from gapless.settings import Place, Settings

if TYPE_CHECKING:
    from gapless.operations.demo import Agent

CASES = 8
"""Cases that the reference agent is measured on; the embedded model writes a draft for each, once per user."""


@contextmanager
def stand_in(agent: Agent, tell: Tell, stop: Stop) -> Generator[Stage]:
    """A stage in a folder of its own that is gone afterwards: the user's store holds nothing of it."""
    with tempfile.TemporaryDirectory(prefix="gapless-checkup-") as folder:
        from gapless.operations.open import open_store

        database = f"sqlite:///{Path(folder) / 'gapless.db'}"
        place = Place(root=folder, settings=Settings(), database=database)

        def say(what: str) -> None:
            tell(Progress(what=what, done=0, total=1, fresh=0))

        with open_store(place) as store:
            try:
                agent.prepare(say, None)
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
