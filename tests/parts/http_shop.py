"""A small HTTP service and the OpenAPI document that describes it, in this process on a free port of the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}},
}
NUMBER = {"type": "integer", "minimum": 0, "maximum": 99}


def document(revision: str = "3.1.0", **more: Any) -> dict[str, Any]:
    """The service as OpenAPI describes it."""
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
    number = {"name": "id", "in": "path", "required": True, "schema": NUMBER, "description": "Its number"}
    return {
        "openapi": revision,
        "info": {"title": "shop", "version": "2"},
        "paths": {
            "/pets/{id}": {
                "parameters": [{"$ref": "#/components/parameters/Number"}],
                "get": {
                    "operationId": "showPet",
                    "description": "Shows one pet.",
                    "responses": {"200": {"description": "it", **answer}},
                },
                "delete": {"description": "Deletes a pet.", "responses": {"204": {"description": "gone"}}},
            },
            "/pets": {
                "get": {
                    "operationId": "listPets",
                    "description": "Lists pets.",
                    "parameters": [
                        {
                            "name": "kind",
                            "in": "query",
                            "schema": {"type": "array", "items": {"type": "string"}},
                        },
                        {"name": "X-Shop", "in": "header", "schema": {"type": "string"}},
                    ],
                    "responses": {"200": {"description": "them"}},
                },
                "post": {
                    "operationId": "addPet",
                    "description": "Adds a pet.",
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                    },
                    "responses": {"201": {"description": "it", **answer}},
                },
            },
        },
        "components": {"schemas": {"Pet": PET}, "parameters": {"Number": number}},
        **more,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Says nothing."""

    def _say(self, status: int, body: Any, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        shop: Any = self.server
        parts = urlsplit(self.path)
        shop.asked.append((self.path, dict(self.headers)))
        path = parts.path.strip("/").split("/")
        if parts.path == "/openapi.json":
            return self._say(200, document(servers=[{"url": "/"}]))
        if parts.path == "/moved":
            return self._say(302, {}, Location=shop.elsewhere)
        if parts.path == "/silent":
            shop.quiet.wait(30)
            return self._say(200, {})
        if path[0] == "repeat":
            return self._say(int(path[1]), {"sent": dict(self.headers)})
        if path[0] == "pets" and len(path) == 2:
            if not path[1].isdigit():
                return self._say(422, {"error": "id must be a number"})
            return self._say(200, {"id": int(path[1]), "name": "Tom"})
        if path == ["pets"]:
            return self._say(200, {"kinds": parse_qs(parts.query).get("kind", []), "pets": ["Tom"]})
        return self._say(404, {"error": "nothing here"})

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()

    def do_DELETE(self) -> None:
        shop: Any = self.server
        shop.asked.append((self.path, None))
        self.send_response(204)
        self.end_headers()

    def do_POST(self) -> None:
        shop: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        shop.asked.append((self.path, body))
        self._say(201, {"id": 1, **body})


class Shop(ThreadingHTTPServer):
    """The service."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, Any]] = []
        self.elsewhere = "http://localhost:1/"
        self.quiet = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to say."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def shop() -> Iterator[Shop]:
    """A running service."""
    with Shop() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.quiet.set()
            server.shutdown()
            thread.join()
