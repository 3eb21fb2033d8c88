"""One process: N trivial cases through gapless. Prints {"us": CPU microseconds per case}."""

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


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'gapless.db'}"
        place = Place(root=folder, settings=Settings(concurrency=16), database=database)
        with open_store(place) as store:
            asyncio.run(measure_into(store, echo, suite("warm", 200), Ask(), place=place))
            cases = suite("timed", count)
            began = time.process_time()
            asyncio.run(measure_into(store, echo, cases, Ask(), place=place))
            print(json.dumps({"us": (time.process_time() - began) / count * 1e6}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
