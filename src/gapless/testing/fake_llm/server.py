"""Runs the fake model on a port, in a thread of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from gapless.errors import InvalidSettings, MissingExtra, OutsideError
from gapless.testing.fake_llm.loading import ScriptSource, to_script
from gapless.testing.fake_llm.model import FakeModel, Received, Served
from gapless.testing.fake_llm.script import Script

if TYPE_CHECKING:
    from uvicorn import Server

_START_S = 10.0
_STOP_S = 10.0


class FakeLLM:
    """A scripted server that speaks as OpenAI and Anthropic do: `with FakeLLM(script) as server: ... server.base_url ...`.

    Example:
        >>> with FakeLLM({"rules": [{"reply": "hello"}]}) as server:
        ...     server.base_url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        script: ScriptSource | None = None,
        *,
        seed: int | None = None,
        strict: bool | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        label_faults: bool = False,
    ) -> None:
        """Prepares the server; `start` or `with` runs it.

        Args:
            script: A `Script`, a dict, a list of rules, or a path; with none, every answer is an echo.
            seed: Root of the draws of latency and faults instead of the script's.
            strict: Whether an unmatched request is an error, instead of what the script says.
            host: Address to listen on; another than loopback needs a token.
            port: Port to listen on; 0 takes a free one.
            token: Bearer token that clients must send as their API key.
            label_faults: Whether answers name the fault that struck in the header `x-gapless-fault`.

        Raises:
            InvalidSettings: The script is wrong, or the host needs a token.
            MissingExtra: Starlette or uvicorn is not installed.
        """
        _demand_libraries()
        if token is None and not is_loopback(host):
            raise InvalidSettings(
                f"host {host} can be reached from other machines. Give a token, or listen on 127.0.0.1."
            )
        given = to_script(script)
        changes = {key: value for key, value in {"seed": seed, "strict": strict}.items() if value is not None}
        self.script: Script = msgspec.structs.replace(given, **changes)
        self._model = FakeModel(self.script)
        self._host, self._port, self._token, self._label = host, port, token, label_faults
        self._thread: threading.Thread | None = None
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._broke: BaseException | None = None

    @property
    def url(self) -> str:
        """Address of the server: `/health` and `/gapless/requests` are below it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def base_url(self) -> str:
        """What clients call base URL: ends in /v1."""
        return f"{self.url}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point the SDKs of OpenAI and of Anthropic here."""
        key = self._token or "fake"
        return {
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": key,
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": key,
        }

    @property
    def requests(self) -> tuple[Received, ...]:
        """Every request since the start or the last reset, in order of arrival."""
        return tuple(self._model.received)

    @property
    def served(self) -> tuple[Served, ...]:
        """The streamed answers by the server's own clock."""
        return tuple(self._model.served)

    @property
    def unmatched(self) -> int:
        """How many of them no rule applied to."""
        return sum(note.unmatched for note in self.requests)

    def reset(self) -> None:
        """Forgets the requests and how often each rule was used."""
        if self._loop is None:
            self._model.reset()
            return
        done = threading.Event()

        def forget() -> None:
            self._model.reset()
            done.set()

        self._loop.call_soon_threadsafe(forget)
        done.wait(_STOP_S)

    def start(self) -> Self:
        """Listens; returns once it answers.

        Raises:
            InvalidSettings: The port cannot be opened.
            OutsideError: The server did not come up.
        """
        if self._thread is not None:
            return self
        listener = _listen(self._host, self._port)
        self._port = int(listener.getsockname()[1])
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name=f"gapless-fake-llm:{self._port}", daemon=True
        )
        self._thread.start()
        until = time.monotonic() + _START_S
        while not (self._server is not None and self._server.started):
            if not self._thread.is_alive() or time.monotonic() > until:
                self.stop()
                listener.close()
                raise OutsideError(f"fake-llm did not start on {self.url}: {self._broke or 'no answer'}.")
            time.sleep(0.002)
        return self

    def stop(self) -> None:
        """Hangs up on everybody and ends the thread; harmless when it is not running."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._server is not None:
            self._server.should_exit = True
        if self._loop is not None and self._stopping is not None and thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(_STOP_S)
        self._server = self._loop = self._stopping = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, listener: socket.socket) -> None:
        try:
            asyncio.run(self._serve(listener))
        except BaseException as error:  # the thread that waits for the start must learn of it
            self._broke = error

    async def _serve(self, listener: socket.socket) -> None:
        from uvicorn import Config, Server

        from gapless.testing.fake_llm.app import build_app
        from gapless.testing.fake_llm.protocol import Protocol

        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        app: Any = build_app(
            self._model, stopping=self._stopping, token=self._token, label_faults=self._label
        )
        config = Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,  # the host process's logging stays as it is
            timeout_graceful_shutdown=2,
        )
        self._server = Server(config)
        await self._server.serve(sockets=[listener])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; a name other than localhost is taken for reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise InvalidSettings(
            f"{host}:{port} cannot be listened on ({error}). Choose another port, or 0 for a free one."
        ) from error


def _demand_libraries() -> None:
    from importlib.util import find_spec

    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise MissingExtra("the fake model server", "fake-llm")
