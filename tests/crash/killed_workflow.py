"""A small workflow whose executions can be counted from outside; it runs in processes that get killed."""

from __future__ import annotations

import asyncio
import os

from gapless import step


@step
async def look_up(question: str) -> str:
    await asyncio.sleep(0.004)
    return question * 2


@step
async def answer(found: str) -> dict[str, str]:
    await asyncio.sleep(0.004)
    return {"answer": found.upper()}


async def agent(question: str) -> dict[str, str]:
    log = os.environ["EXECUTIONS"]
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{question}\n".encode())
    os.close(handle)
    return await answer(await look_up(question))
