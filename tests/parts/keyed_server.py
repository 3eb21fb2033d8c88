"""The server of `guarded_server.py` at an address that wants a key: `python keyed_server.py FILE KEY`.

It prints its address, and notes in FILE what it was sent as `Authorization` and `X-Api-Key`, and whom it refused.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import guarded_server


class Gate:
    """Lets in who sends the key, until a file `expired` lies beside that of the effects."""

    def __init__(self, app: Any, key: str, file: Path) -> None:
        self._app, self._key, self._seen = app, key, guarded_server.Effects(file)
        self._expired = file.with_name("expired")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            told = {name.decode(): value.decode() for name, value in scope["headers"]}
            for name in ("authorization", "x-api-key"):
                if name in told:
                    self._seen.add(f"{name}: {told[name]}")
            known = self._key in (told.get("authorization"), told.get("x-api-key"))
            if self._expired.exists() or (self._key and not known):
                self._seen.add("refused")
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b"who are you?"})
                return
        await self._app(scope, receive, send)


@contextmanager
def running(file: Path, key: str) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Its address and its process, which is gone afterwards."""
    command = [sys.executable, str(Path(__file__).resolve()), str(file), key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def _serve(file: Path, key: str) -> None:
    import uvicorn

    app = Gate(guarded_server.build(file).streamable_http_app(), key, file)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"http://127.0.0.1:{port}/mcp", flush=True)

    Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1)).run()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])
