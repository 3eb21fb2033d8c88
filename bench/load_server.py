"""A server that streams tokens on a fixed beat, as cheaply as asyncio can: `python -m bench.load_server BEAT_MS TOKENS` prints its port.

It keeps its own clock: `GET /stats` answers with the times from a request read to its first token written, in ms.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

BEAT_S, TOKENS = float(sys.argv[1]) / 1e3, int(sys.argv[2])
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":" word"}}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
first_ms: list[float] = []


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


TOKEN, END = chunk(EVENT), chunk(LAST) + b"0\r\n\r\n"


class Stream(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer, self.gone = transport, b"", False

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.buffer.startswith(b"GET"):
            body = json.dumps(first_ms).encode()
            self.transport.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)
            self.transport.close()
            first_ms.clear()
        elif self.buffer.endswith(b"}"):
            self.read, self.left, self.buffer = time.monotonic(), TOKENS, b""
            self.due = asyncio.get_running_loop().time()
            self.transport.write(HEAD)
            self.again()

    def again(self) -> None:
        self.due += BEAT_S
        asyncio.get_running_loop().call_at(self.due, self.token)

    def token(self) -> None:
        if self.gone:
            return
        if self.left == TOKENS:
            first_ms.append(1e3 * (time.monotonic() - self.read))
        if self.left == 0:
            self.transport.write(END)
            self.transport.close()
            return
        self.left -= 1
        self.transport.write(TOKEN)
        self.again()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Stream, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
