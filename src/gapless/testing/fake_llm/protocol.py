"""uvicorn's HTTP protocol, with the transport within the application's reach: a scripted disconnect closes it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol


class Protocol(H11Protocol):
    """Puts the connection's transport into `scope["state"]`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        super().connection_made(cast("asyncio.Transport", transport))
        self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}
