"""The agent's side of the finance tool: one server process and one session, kept open for all trials."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract_risk.background import BACKGROUND

_PACKAGES = Path(__file__).parents[2]
_ANSWER_WITHIN_S = 20.0
_START_WITHIN_S = 60.0


class Desk:
    """Calls the server; starts it when it is first needed, and once more if it died."""

    def __init__(self) -> None:
        self._session: _Session | None = None
        self._starting: asyncio.Lock | None = None

    async def assess(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The tool's structured answer.

        Raises:
            RuntimeError: The tool said that it failed.
            TimeoutError: It did not answer in time.
        """
        return await BACKGROUND.run(self._assess(dict(facts)))

    async def close(self) -> None:
        """Ends the session and its server."""
        await BACKGROUND.run(self._close())

    async def _assess(self, facts: dict[str, Any]) -> dict[str, Any]:
        session = await self._open()
        try:
            return await session.call(facts)
        except (
            ConnectionError
        ):  # the server died, possibly while another trial was using it: the tool changes nothing
            await self._drop(session)
            return await (await self._open()).call(facts)

    async def _open(self) -> _Session:
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._session is None:
                BACKGROUND.at_end(self._close)
                self._session = await _Session.start()
            return self._session

    async def _drop(self, broken: _Session) -> None:
        if self._session is broken:
            self._session = None
            await broken.close()

    async def _close(self) -> None:
        if self._session is not None:
            await self._drop(self._session)


class _Session:
    """One server process. Its client is opened and closed by the same task, as its cancel scopes demand."""

    def __init__(self) -> None:
        self._client: Any = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending = asyncio.Event()
        self._task = asyncio.create_task(self._live())

    @classmethod
    async def start(cls) -> _Session:
        session = cls()
        await asyncio.wait_for(asyncio.shield(session._opened), _START_WITHIN_S)
        return session

    async def call(self, facts: dict[str, Any]) -> dict[str, Any]:
        from mcp import MCPError

        asked = asyncio.create_task(
            self._client.call_tool("assess_supplier", {"facts": facts}, read_timeout_seconds=_ANSWER_WITHIN_S)
        )
        try:
            await asyncio.wait({asked, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise ConnectionError("the finance server has ended")
            answer = asked.result()
        except MCPError as error:
            if "timed out" in str(error):
                raise TimeoutError(
                    f"the finance server did not answer within {_ANSWER_WITHIN_S:g} s"
                ) from error
            raise ConnectionError(f"the finance server is gone: {error}") from error
        finally:
            asked.cancel()
        if answer.is_error:
            raise RuntimeError(f"assess_supplier failed: {_text(answer)}")
        return answer.structured_content

    async def close(self) -> None:
        self._ending.set()
        await asyncio.wait({self._task})

    async def _live(self) -> None:
        from mcp import Client, StdioServerParameters

        paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "contract_risk.finance.server"],
            env={"PYTHONPATH": os.pathsep.join(paths)},
        )
        try:
            async with Client(server) as client:
                self._client = client
                self._opened.set_result(None)
                await self._ending.wait()
        except (
            Exception
        ) as error:  # told to whoever waits for the start; later calls see that the task has ended
            if not self._opened.done():
                self._opened.set_exception(error)


def _text(answer: Any) -> str:
    return " ".join(str(getattr(part, "text", part)) for part in answer.content)
