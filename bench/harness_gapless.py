"""One process: N trivial cases through gapless. Prints {"us": CPU microseconds per case, "writing_us": of these, on disk}."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.records.suite import Case, CheckSpec, Suite
from gapless.settings import Place, Settings
from gapless.stores.writer import Writer


async def echo(value: str) -> str:
    return value


def suite(name: str, count: int) -> Suite:
    cases = (
        Case(
            id=f"{name}{i}",
            input=f"text {i}",
            checks={
                "end": (CheckSpec(name="exact", params={"value": f"text {i}"}),),
                "echo": (CheckSpec(name="exact", params={"value": f"text {i}"}),),
            },
        )
        for i in range(count)
    )
    return Suite(name=name, cases=tuple(cases))


class Clocked(Writer):
    """A writer that notes what its thread has cost."""

    seconds = 0.0

    def _run(self) -> None:
        super()._run()
        Clocked.seconds = time.thread_time()


def main(count: int) -> None:
    import gapless.stores.writer

    gapless.stores.writer.Writer = Clocked
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'gapless.db'}"
        place = Place(root=folder, settings=Settings(concurrency=16), database=database)
        with open_store(place) as store:
            asyncio.run(measure_into(store, echo, suite("warm", 200), Ask(), place=place))
            cases = suite("timed", count)
            began = time.process_time()
            asyncio.run(measure_into(store, echo, cases, Ask(), place=place))
            spent = time.process_time() - began
            print(json.dumps({"us": spent / count * 1e6, "writing_us": Clocked.seconds / count * 1e6}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
