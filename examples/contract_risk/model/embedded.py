"""Embedded model servers: one thread each, as many as there are cores, at most two.

On a quiet machine one server with two threads drafts about as much; on a busy one its threads wait for each other and
drafting all but stops, while servers of one thread merely share the cores.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

from contract_risk.background import BACKGROUND
from gapless.errors import EndpointError, WeightsUnavailable
from gapless.retrievers import weights

SERVERS = max(1, min(2, os.cpu_count() or 1))
NAME = "smollm2-135m-instruct"
_START_WITHIN_S = 120.0


@contextmanager
def served() -> Generator[tuple[str, str]]:
    """Base URL and name of a server of its own, for as long as the context lasts.

    Raises:
        WeightsUnavailable: The weights are not in the user's cache; nothing is fetched here.
        EndpointError: The server does not start.
    """
    if not weights.at_hand("smollm2"):
        raise WeightsUnavailable(
            "the embedded model's weights are not in the user's cache: gapless demo fetches them"
        )
    server = BACKGROUND.wait(_Server.start())
    try:
        yield f"{server.address}/v1", NAME
    finally:
        BACKGROUND.wait(server.close())


class Servers:
    """A pool of server processes; each answers one request at a time. Lives on the background loop."""

    def __init__(self, count: int = SERVERS) -> None:
        self._turns = asyncio.Semaphore(count)
        self._idle: list[_Server] = []

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[str]:
        """The address of a server that is free; started when there is none, or none that is alive.

        One that broke off a connection is not asked again: a killed process may still look alive for a moment.
        """
        import httpx

        async with self._turns:
            server = self._idle.pop() if self._idle else await _Server.start()
            if not server.alive:
                server = await _Server.start()
            broken = False
            try:
                yield server.address
            except httpx.TransportError:
                broken = True
                await server.close()
                raise
            finally:
                if not broken:
                    self._idle.append(server)


class _Server:
    def __init__(self, process: asyncio.subprocess.Process, address: str, log: IO[bytes]) -> None:
        self._process, self.address, self._log = process, address, log

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @classmethod
    async def start(cls) -> _Server:
        path = await asyncio.to_thread(weights.extract, "smollm2", ".gguf")
        log = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the server lives
        command = [sys.executable, str(Path(__file__).with_name("server.py")), str(path), "1"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log)
        server = cls(process, "", log)
        BACKGROUND.at_end(server.close)
        try:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), _START_WITHIN_S)
        except BaseException:  # cancelled, too: the process must not outlive the wish for it
            await server.close()
            raise
        server.address = line.decode().strip()
        if not server.address:
            raise EndpointError(f"the embedded model server did not start: {server.last_words()}")
        return server

    def last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        return lines[-1]

    async def close(self) -> None:
        if self.alive and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), 2.0)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._log.close()
