"""One process: N trivial cases through pydantic-evals. Prints {"us": CPU microseconds per case}."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected


async def echo(value: str) -> str:
    return value


def dataset(count: int) -> Dataset:
    cases = [Case(name=f"c{i}", inputs=f"text {i}", expected_output=f"text {i}") for i in range(count)]
    return Dataset(name="trivial", cases=cases, evaluators=[EqualsExpected()])


def main(count: int) -> None:
    asyncio.run(dataset(200).evaluate(echo, max_concurrency=16, progress=False))
    cases = dataset(count)
    began = time.process_time()
    asyncio.run(cases.evaluate(echo, max_concurrency=16, progress=False))
    print(json.dumps({"us": (time.process_time() - began) / count * 1e6}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
