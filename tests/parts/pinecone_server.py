"""A stand-in for Pinecone's data plane (API 2026-07): its JSON over HTTP, our SQLite store (FTS5, sqlite-vec) as the engine.

It is not Pinecone: what it answers was written down from the client's own models and documentation, and it knows only what the
adapters ask. What Pinecone's servers really do is tested live, where a key is in the environment.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from gapless.retrievers.base import Document
from gapless.retrievers.sqlite_store import SqliteStore

API = "2026-07"
_MOST_METADATA, _MOST_BYTES, _MOST_ADDRESS = 40_960, 2_000_000, 8_192


class BadRequest(Exception):
    """What Pinecone answers with a 400."""


class Given:
    """Hands the engine the vectors that came over the wire."""

    def __init__(self, size: int) -> None:
        self.rows = np.zeros((1, size), dtype=np.float32)

    def embed(self, texts: Any) -> Any:
        return self.rows


@dataclass
class Space:
    """One namespace: the records as they came, and the engine that searches them."""

    size: int
    text: str | None
    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given = Given(max(self.size, 1))
        self.engine = SqliteStore(embedder=self.given if self.size else None)

    def store(self, records: list[dict[str, Any]]) -> None:
        if not records:
            return
        self.given.rows = np.array([one["values"] or [1e-9] * self.size for one in records], dtype=np.float32)
        self.engine.upsert([Document(one["id"], str(one["fields"].get(self.text, ""))) for one in records])
        self.records |= {one["id"]: one for one in records}

    def forget(self, ids: list[str]) -> None:
        self.engine.delete(ids)
        for name in ids:
            self.records.pop(name, None)

    def near(self, vector: list[float]) -> dict[str, float]:
        """Dot products: the engine's cosines times both lengths."""
        if len(vector) != self.size:
            raise BadRequest(
                f"Vector dimension {len(vector)} does not match the dimension of the index {self.size}"
            )
        self.given.rows = np.array([vector], dtype=np.float32)
        length = float(np.linalg.norm(self.given.rows))
        found = self.engine.by_meaning("", 4096) if length else []
        return {
            hit.id: hit.score * length * float(np.linalg.norm(self.records[hit.id]["values"]))
            for hit in found
        }

    def words(self, query: str) -> dict[str, float]:
        return {hit.id: hit.score for hit in self.engine.by_words(query, 4096)}

    def sparse(self, asked: Mapping[str, list[Any]]) -> dict[str, float]:
        weights = dict(zip(asked["indices"], asked["values"], strict=True))
        found: dict[str, float] = {}
        for name, one in self.records.items():
            held = one["sparse"] or {"indices": [], "values": []}
            pairs = zip(held["indices"], held["values"], strict=True)
            if products := [value * weights[place] for place, value in pairs if place in weights]:
                found[name] = sum(products)
        return found


class PineconeServer:
    """An index on this machine.

    Args:
        size: Numbers in a dense vector; 0 for an index without.
        text: For a document index: its full-text field. None makes a vector index.
        lag: Writes show only after this many further requests: Pinecone confirms before it indexes.
        metric: "dotproduct", or "euclidean": then scores are squared distances, and the least is the best.
    """

    def __init__(
        self, *, size: int, text: str | None = None, lag: int = 0, metric: str = "dotproduct"
    ) -> None:
        self.size, self.text, self.lag, self.metric = size, text, lag, metric
        self.spaces: dict[str, Space] = {}
        self.asked: list[tuple[str, Any]] = []
        """Every request: path and body."""
        self.silent = threading.Event()
        """Set: requests are taken, and not answered until `released`."""
        self.released = threading.Event()
        self.broken = 0
        """Answer with this status instead."""
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> Any:
        with self._lock:
            self.asked.append((path, body))
            self._waiting = [(left - 1, do) for left, do in self._waiting]
            for _, do in [one for one in self._waiting if one[0] < 0]:
                do()
            self._waiting = [one for one in self._waiting if one[0] >= 0]
            if path == "/describe_index_stats":
                counts = {
                    name or "__default__": {"vectorCount": len(space.records)}
                    for name, space in self.spaces.items()
                }
                return {
                    "namespaces": counts,
                    "dimension": self.size,
                    "metric": self.metric,
                    "totalVectorCount": sum(one["vectorCount"] for one in counts.values()),
                }
            if method == "DELETE":
                self.spaces.pop(unquote(path.removeprefix("/namespaces/")), None)
                return {}
            if path.startswith("/namespaces/") and self.text is not None:
                _, _, name, _, verb = path.split("/")
                return getattr(self, f"_documents_{verb}")(self._space(unquote(name)), unquote(name), body)
            if path.startswith("/namespaces/") or self.text is not None:
                raise BadRequest("this operation is not supported for this kind of index")
            name = (body or {}).get("namespace") or query.get("namespace", [""])[0]
            verb = path.removeprefix("/vectors").strip("/")
            return getattr(self, f"_{verb}")(self._space(name), name, body if method == "POST" else query)

    def _space(self, name: str) -> Space:
        found = self.spaces.get(name)
        return found if found is not None else Space(self.size, self.text)

    def _later(self, name: str, do: Callable[[Space], None]) -> None:
        def now() -> None:
            do(self.spaces.setdefault(name, Space(self.size, self.text)))

        if self.lag:
            self._waiting.append((self.lag, now))
        else:
            now()

    # vector index

    def _upsert(self, space: Space, name: str, body: Any) -> Any:
        if len(body["vectors"]) > 1000:
            raise BadRequest("Request holds more than 1000 vectors")
        records = [
            self._record(
                one["id"], one.get("values") or [], one.get("sparseValues"), one.get("metadata") or {}
            )
            for one in body["vectors"]
        ]
        self._later(name, lambda there: there.store(records))
        return {"upsertedCount": len(records)}

    def _query(self, space: Space, name: str, body: Any) -> Any:
        scores: dict[str, float] = {}
        if body.get("vector"):
            scores = space.near(body["vector"])
        for one, score in space.sparse(body["sparseVector"]).items() if body.get("sparseVector") else ():
            scores[one] = scores.get(one, 0.0) + score
        best = _best(scores, space, body.get("filter"), body["topK"])
        if self.metric == "euclidean":  # of unit vectors, as the tests have them
            best = [(one, 2 - 2 * score) for one, score in best]
        matches = [
            {"id": one, "score": score, "values": []}
            | ({"metadata": space.records[one]["fields"]} if body.get("includeMetadata") else {})
            for one, score in best
        ]
        return {"matches": matches, "namespace": name, "usage": {"readUnits": 1}}

    def _fetch(self, space: Space, name: str, query: Any) -> Any:
        found = {one: _vector(space.records[one]) for one in query.get("ids", []) if one in space.records}
        return {"vectors": found, "namespace": name, "usage": {"readUnits": 1}}

    def _fetch_by_metadata(self, space: Space, name: str, body: Any) -> Any:
        names = [one for one in space.records if _passes(space.records[one]["fields"], body["filter"])]
        found = {one: _vector(space.records[one]) for one in names[: body.get("limit", 100)]}
        return {"vectors": found, "namespace": name, "usage": {"readUnits": 1}}

    def _list(self, space: Space, name: str, query: Any) -> Any:
        page, token = _page(space, int(query.get("limit", ["100"])[0]), query.get("paginationToken", [""])[0])
        return {
            "vectors": [{"id": one} for one in page],
            "namespace": name,
            "usage": {"readUnits": 1},
        } | token

    def _delete(self, space: Space, name: str, body: Any) -> Any:
        ids = list(space.records) if body.get("deleteAll") else body["ids"]
        self._later(name, lambda there: there.forget(ids))
        return {}

    # document index

    def _documents_upsert(self, space: Space, name: str, body: Any) -> Any:
        records: list[dict[str, Any]] = []
        for one in body["documents"]:
            fields = {key: value for key, value in one.items() if key != "_id"}
            if self.size and not fields.get("vector"):
                raise BadRequest(f"document {one['_id']!r}: the field 'vector' is required by the schema")
            if any(key.startswith(("$", "_")) for key in fields):
                raise BadRequest("field names must not begin with $ or _")
            records.append(self._record(one["_id"], fields.get("vector") or [], None, fields))
        self._later(name, lambda there: there.store(records))
        return {"upserted_count": len(records)}

    def _documents_search(self, space: Space, name: str, body: Any) -> Any:
        kinds = [clause["type"] for clause in body["score_by"]]
        if len(kinds) > 1 and set(kinds) - {"text", "query_string"}:
            raise BadRequest("a vector clause must appear alone in score_by")
        scores: dict[str, float] = {}
        for clause in body["score_by"]:
            if clause["type"] == "dense_vector":
                scores = space.near(clause["values"])
            elif clause["type"] == "text" and clause["fields"] == [self.text]:
                scores = space.words(clause["query"])
            else:
                raise BadRequest(f"clause {clause['type']!r} on fields that the schema does not have")
        best = _best(scores, space, body.get("filter"), body["top_k"])
        shown = body.get("include_fields") or []
        matches = [
            {"_id": one, "_score": score} | _shown(space.records[one]["fields"], shown) for one, score in best
        ]
        return {"matches": matches, "namespace": name, "usage": {"read_units": 1}}

    def _documents_fetch(self, space: Space, name: str, body: Any) -> Any:
        if "ids" in body:
            names = [one for one in body["ids"] if one in space.records]
        else:
            names = [one for one in space.records if _passes(space.records[one]["fields"], body["filter"])]
        shown = body.get("include_fields") or ["*"]
        found = {
            one: {"_id": one} | _shown(space.records[one]["fields"], shown)
            for one in names[: body.get("limit", 100)]
        }
        return {"documents": found, "namespace": name, "usage": {"read_units": 1}}

    def _documents_list(self, space: Space, name: str, body: Any) -> Any:
        page, token = _page(space, body.get("limit", 100), body.get("pagination_token", ""))
        return {
            "documents": [{"_id": one} for one in page],
            "namespace": name,
            "usage": {"read_units": 1},
        } | token

    def _documents_delete(self, space: Space, name: str, body: Any) -> Any:
        ids = list(space.records) if body.get("delete_all") else body["ids"]
        self._later(name, lambda there: there.forget(ids))
        return {}

    def _record(self, name: str, values: list[float], sparse: Any, fields: dict[str, Any]) -> dict[str, Any]:
        if values and len(values) != self.size:
            raise BadRequest(
                f"Vector dimension {len(values)} does not match the dimension of the index {self.size}"
            )
        kept = {key: value for key, value in fields.items() if key != "vector"}
        if len(json.dumps(kept)) > _MOST_METADATA:
            raise BadRequest(f"Metadata size exceeds the limit of {_MOST_METADATA} bytes per vector")
        return {"id": name, "values": values, "sparse": sparse, "fields": fields}


def _vector(record: Mapping[str, Any]) -> dict[str, Any]:
    sparse = {"sparseValues": record["sparse"]} if record["sparse"] else {}
    return {"id": record["id"], "values": record["values"], "metadata": record["fields"], **sparse}


def _shown(fields: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return dict(fields) if "*" in names else {key: value for key, value in fields.items() if key in names}


def _page(space: Space, limit: int, token: str) -> tuple[list[str], dict[str, Any]]:
    names = sorted(space.records)
    at = int(token or 0)
    more = {"pagination": {"next": str(at + limit)}} if at + limit < len(names) else {}
    return names[at : at + limit], more


def _best(scores: Mapping[str, float], space: Space, given: Any, k: int) -> list[tuple[str, float]]:
    kept = [(one, score) for one, score in scores.items() if _passes(space.records[one]["fields"], given)]
    return sorted(kept, key=lambda pair: -pair[1])[:k]


def _passes(fields: Mapping[str, Any], given: Any) -> bool:
    for name, condition in (given or {}).items():
        for operator, value in condition.items():
            held = fields.get(name)
            if operator == "$eq":
                if not any(_same(one, value) for one in (held if isinstance(held, list) else [held])):
                    return False
            elif operator == "$exists":
                if (name in fields) is not value:
                    return False
            else:
                raise BadRequest(f"unknown operator {operator!r}")
    return True


def _same(held: Any, value: Any) -> bool:
    """Equal and of one type; all numbers are doubles there."""
    return held == value and isinstance(held, bool) is isinstance(value, bool)


def _value(server: PineconeServer, method: str, handler: Any, body: Any) -> tuple[int, Any]:
    """Status and JSON of one request."""
    if server.broken:
        return server.broken, {"code": 13, "message": "the index is not ready", "details": []}
    if not handler.headers.get("api-key"):
        return 401, {"code": 16, "message": "Invalid API key", "details": []}
    if handler.headers.get("x-pinecone-api-version") != API:
        return 400, {"code": 3, "message": "unknown API version", "details": []}
    if len(handler.path) > _MOST_ADDRESS:
        return 414, {"code": 3, "message": "Request URI too long", "details": []}
    if int(handler.headers.get("content-length", 0)) > _MOST_BYTES:
        return 413, {"code": 11, "message": "Request size exceeds the limit of 2 MB", "details": []}
    url = urlsplit(handler.path)
    try:
        return 200, server.answer(method, url.path, parse_qs(url.query), body)
    except BadRequest as error:
        return 400, {"code": 3, "message": str(error), "details": []}


def _handler(server: PineconeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version, wbufsize = "HTTP/1.1", 65_536

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as the base class has it
            pass

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if server.silent.is_set():
                server.released.wait(30)
                return
            status, value = _value(server, self.command, self, json.loads(body) if body else None)
            sent = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_DELETE = _do

    return Handler


class Quiet(ThreadingHTTPServer):
    """An HTTP server whose threads end with the program."""

    daemon_threads = True


@contextmanager
def serving(server: PineconeServer) -> Iterator[str]:
    """The address at which a stand-in answers while the block runs."""
    http = Quiet(("127.0.0.1", 0), _handler(server))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        server.released.set()
        http.shutdown()
        http.server_close()
        thread.join(5)
