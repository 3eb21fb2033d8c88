"""A stand-in for a Weaviate server: gRPC through the classes that its client ships, and the few REST calls a client makes.

The engine is our SQLite store (FTS5, sqlite-vec); the fusion follows Weaviate's documentation. It is not Weaviate: it knows only
what the adapter asks, one collection's objects without tenants. What the real server does is tested live, where one is named.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict
from pinecone_server import Given, Quiet
from weaviate.proto.v1 import (
    base_pb2,
    base_search_pb2,
    batch_delete_pb2,
    batch_pb2,
    health_weaviate_pb2,
    properties_pb2,
    search_get_pb2,
    weaviate_pb2_grpc,
)

from gapless.retrievers.base import Document, Hit
from gapless.retrievers.sqlite_store import SqliteStore

VERSION, _MOST_BYTES = "1.32.0", 10 * 1024**2
"""Bytes of a message that an older server takes at most."""
_TYPES = {str: "text", bool: "boolean", float: "number"}
_COMPARED = {"text": "value_text", "boolean": "value_boolean", "number": "value_number", "int": "value_int"}


@dataclass
class Kept:
    """One collection: its schema, its objects, and the engine that searches them."""

    schema: dict[str, Any]
    size: int
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given = Given(self.size)
        self.engine = SqliteStore(embedder=self.given)

    def types(self) -> dict[str, str]:
        return {one["name"]: one["dataType"][0] for one in self.schema["properties"]}

    def store(self, name: str, properties: dict[str, Any], vector: bytes) -> None:
        """As auto-schema does: a property that is new is added, one of another type is refused."""
        for key, value in properties.items():
            kind = _TYPES.get(type(value), "text[]")
            known = self.types().get(key)
            if known is None:
                self.schema["properties"].append(_property(key, kind))
            elif known != kind and not (known == "int" and kind == "number"):
                raise ValueError(f"invalid {known} property {key!r} on class {self.schema['class']!r}")
        row = np.frombuffer(vector, dtype="<f4") if vector else np.full(self.size, 1e-9, dtype=np.float32)
        if row.shape[0] != self.size:
            raise ValueError(
                f"vector lengths don't match: new node has a vector with length {row.shape[0]}, existing {self.size}"
            )
        self.given.rows = row[None, :]
        self.engine.upsert([Document(name, str(properties.get("text", "")))])
        self.objects[name] = {"properties": properties, "vector": vector, "at": int(time.time() * 1000)}

    def words(self, query: str) -> list[Hit]:
        return self.engine.by_words(query, 4096)

    def near(self, vector: bytes) -> list[Hit]:
        self.given.rows = np.frombuffer(vector, dtype="<f4")[None, :]
        return self.engine.by_meaning("", 4096)


class WeaviateServer(weaviate_pb2_grpc.WeaviateServicer):
    """A server on this machine; give it to `serving`."""

    def __init__(self, *, size: int) -> None:
        self.size = size
        self.collections: dict[str, Kept] = {}
        self.asked: list[Any] = []
        """Every search, as it came."""
        self.silent = threading.Event()
        """Set: searches are taken and not answered until `released`."""
        self.released = threading.Event()
        self.deaf = False
        """Deletions are confirmed, and not done."""
        self._lock = threading.Lock()

    def Search(self, request: Any, context: Any) -> Any:
        if self.silent.is_set():
            self.released.wait(30)
        with self._lock:
            self.asked.append(request)
            kept = self._kept(request.collection, context)
            if request.HasField("filters"):
                _known(request.filters, kept, context)
            ranked = self._ranked(request, kept, context)
            passing = [one for one in ranked if _passes(request.filters, one[0], kept)]
            shown = passing[: request.limit or 10]
            return search_get_pb2.SearchReply(
                took=0.001, results=[_result(one, kept, request) for one in shown]
            )

    def _ranked(self, request: Any, kept: Kept, context: Any) -> list[tuple[str, float, float, str]]:
        """UUID, score, distance and explanation, best first."""
        if request.HasField("hybrid_search"):
            return _hybrid(request.hybrid_search, kept)
        if request.HasField("bm25_search"):
            return [(hit.id, hit.score, -1.0, "") for hit in kept.words(request.bm25_search.query)]
        if request.HasField("near_vector"):
            asked = request.near_vector
            vector = asked.vectors[0].vector_bytes if asked.vectors else asked.vector_bytes
            return [(hit.id, 0.0, 1 - hit.score, "") for hit in kept.near(vector)]
        return [(name, 0.0, -1.0, "") for name in sorted(kept.objects)]

    def BatchObjects(self, request: Any, context: Any) -> Any:
        errors: list[Any] = []
        with self._lock:
            for at, one in enumerate(request.objects):
                kept = self._kept(one.collection, context)
                try:
                    vector = one.vectors[0].vector_bytes if one.vectors else one.vector_bytes
                    kept.store(one.uuid, _read(one.properties), vector)
                except ValueError as error:
                    errors.append(batch_pb2.BatchObjectsReply.BatchError(index=at, error=str(error)))
        return batch_pb2.BatchObjectsReply(took=0.001, errors=errors)

    def BatchDelete(self, request: Any, context: Any) -> Any:
        with self._lock:
            kept = self._kept(request.collection, context)
            gone = [name for name in list(kept.objects) if _passes(request.filters, name, kept)]
            for name in gone if not self.deaf else ():
                kept.engine.delete([name])
                del kept.objects[name]
        return batch_delete_pb2.BatchDeleteReply(took=0.001, matches=len(gone), successful=len(gone))

    def _kept(self, name: str, context: Any) -> Kept:
        if name not in self.collections:
            context.abort(grpc.StatusCode.UNKNOWN, f"could not find class {name} in schema")
        return self.collections[name]

    def rest(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """The calls a client makes besides gRPC."""
        if path == "/v1/meta":
            return 200, {"hostname": "http://[::]:8080", "version": VERSION, "modules": {}}
        if path in ("/v1/.well-known/ready", "/v1/.well-known/live"):
            return 200, None
        if path == "/v1/schema" and method == "POST":
            for one in body.get("properties") or []:
                one |= {**_property(one["name"], one["dataType"][0]), **one}
            schema = {**_SCHEMA, **body, "properties": list(body.get("properties") or [])}
            for one in schema.get("vectorConfig", {}).values():
                one["vectorIndexConfig"] = _HNSW
            self.collections[body["class"]] = Kept(schema, self.size)
            return 200, schema
        if path.startswith("/v1/schema/"):
            name = path.removeprefix("/v1/schema/")
            if name not in self.collections:
                return 404, None
            if method == "DELETE":
                del self.collections[name]
                return 200, None
            return 200, self.collections[name].schema
        return 404, None


_SCHEMA: dict[str, Any] = {
    "invertedIndexConfig": {
        "bm25": {"b": 0.75, "k1": 1.2},
        "cleanupIntervalSeconds": 60,
        "stopwords": {"additions": None, "preset": "en", "removals": None},
    },
    "multiTenancyConfig": {"enabled": False},
    "replicationConfig": {"factor": 1, "asyncEnabled": False},
    "shardingConfig": {},
}


_HNSW: dict[str, Any] = {
    "cleanupIntervalSeconds": 300,
    "distance": "cosine",
    "dynamicEfFactor": 8,
    "dynamicEfMax": 500,
    "dynamicEfMin": 100,
    "ef": -1,
    "efConstruction": 128,
    "filterStrategy": "sweeping",
    "flatSearchCutoff": 40_000,
    "maxConnections": 32,
    "skip": False,
    "vectorCacheMaxObjects": 1_000_000_000_000,
}


def _property(name: str, kind: str) -> dict[str, Any]:
    words = {"tokenization": "word"} if kind.startswith("text") else {}
    return {
        "name": name,
        "dataType": [kind],
        "indexFilterable": True,
        "indexSearchable": kind.startswith("text"),
        "indexRangeFilters": False,
        **words,
    }


def _hybrid(asked: Any, kept: Kept) -> list[tuple[str, float, float, str]]:
    words = kept.words(asked.query)
    vector = asked.near_vector.vector_bytes or asked.vector_bytes
    if not vector and asked.near_vector.vectors:
        vector = asked.near_vector.vectors[0].vector_bytes
    if not vector and asked.vectors:
        vector = asked.vectors[0].vector_bytes
    near = kept.near(vector)
    alpha = asked.alpha_param if asked.use_alpha_param else asked.alpha
    by_rank = asked.fusion_type == base_search_pb2.Hybrid.FUSION_TYPE_RANKED
    scores: dict[str, float] = {}
    said: dict[str, str] = {}
    for arm, hits, weight in (("keyword,bm25", words, 1 - alpha), ("vector,hybridVector", near, alpha)):
        top, low = (
            max((hit.score for hit in hits), default=0.0),
            min((hit.score for hit in hits), default=0.0),
        )
        for rank, hit in enumerate(hits):
            scaled = 1 / (rank + 60) if by_rank else (hit.score - low) / (top - low) if top > low else 1.0
            scores[hit.id] = scores.get(hit.id, 0.0) + weight * scaled
            part = f"Hybrid (Result Set {arm}) Document {hit.id}: original score {hit.score}, normalized score: {weight * scaled}"
            said[hit.id] = f"{said.get(hit.id, '')}\n{part}"
    order = sorted(scores, key=lambda name: -scores[name])
    return [(name, scores[name], -1.0, said[name]) for name in order]


def _result(found: tuple[str, float, float, str], kept: Kept, request: Any) -> Any:
    name, score, distance, explained = found
    held, asked = kept.objects[name], request.metadata
    wanted = request.properties.return_all_nonref_properties or not request.HasField("properties")
    names = set(held["properties"]) if wanted else set(request.properties.non_ref_properties)
    values = {key: _value(value) for key, value in held["properties"].items() if key in names}
    about: dict[str, Any] = {"id_as_bytes": uuid.UUID(name).bytes}
    if asked.score and distance < 0:
        about |= {"score": score, "score_present": True}
    if asked.explain_score:
        about |= {"explain_score": explained, "explain_score_present": True}
    if asked.distance and distance >= 0:
        about |= {"distance": distance, "distance_present": True}
    if asked.last_update_time_unix:
        about |= {"last_update_time_unix": held["at"], "last_update_time_unix_present": True}
    if (asked.vector or asked.vectors) and held["vector"]:
        about["vectors"] = [
            base_pb2.Vectors(
                name="default",
                vector_bytes=held["vector"],
                type=base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32,
            )
        ]
    return search_get_pb2.SearchResult(
        properties=search_get_pb2.PropertiesResult(
            target_collection=request.collection, non_ref_props=properties_pb2.Properties(fields=values)
        ),
        metadata=search_get_pb2.MetadataResult(**about),
    )


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return properties_pb2.Value(bool_value=value)
    if isinstance(value, float):
        return properties_pb2.Value(number_value=value)
    if isinstance(value, str):
        return properties_pb2.Value(text_value=value)
    texts = properties_pb2.TextValues(values=value)
    return properties_pb2.Value(list_value=properties_pb2.ListValue(text_values=texts))


def _read(properties: Any) -> dict[str, Any]:
    flat = MessageToDict(properties.non_ref_properties)
    lists = {one.prop_name: list(one.values) for one in properties.text_array_properties}
    return flat | lists


def _known(given: Any, kept: Kept, context: Any) -> None:
    for one in given.filters:
        _known(one, kept, context)
    name = given.target.property
    if name and name != "_id" and name not in kept.types():
        context.abort(
            grpc.StatusCode.UNKNOWN,
            f'no such prop with name "{name}" found in class "{kept.schema["class"]}" in the schema',
        )
    kind = kept.types().get(name, "").removesuffix("[]")
    if kind in _COMPARED and given.WhichOneof("test_value") != _COMPARED[kind]:
        used = given.WhichOneof("test_value")
        context.abort(
            grpc.StatusCode.UNKNOWN,
            f'data type filter cannot use "{used}" on type "{kind}", use "{_COMPARED[kind]}" instead',
        )


def _passes(given: Any, name: str, kept: Kept) -> bool:
    if given.operator == base_pb2.Filters.OPERATOR_AND:
        return all(_passes(one, name, kept) for one in given.filters)
    if given.target.property == "_id":
        return name in given.value_text_array.values
    if given.operator != base_pb2.Filters.OPERATOR_EQUAL:
        return True
    held = kept.objects[name]["properties"].get(given.target.property)
    kind = given.WhichOneof("test_value")
    value: Any = getattr(given, kind)
    if isinstance(held, list):
        return value in held
    if kind == "value_text" and isinstance(held, str):
        # a text property is cut into words, and a filter on it matches where they all stand
        return set(value.lower().split()) <= set(held.lower().split())
    return held == value


class _Health(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != "/grpc.health.v1.Health/Check":
            return None
        serving = health_weaviate_pb2.WeaviateHealthCheckResponse(
            status=health_weaviate_pb2.WeaviateHealthCheckResponse.SERVING
        )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: serving,
            request_deserializer=health_weaviate_pb2.WeaviateHealthCheckRequest.FromString,
            response_serializer=health_weaviate_pb2.WeaviateHealthCheckResponse.SerializeToString,
        )


@contextmanager
def serving(server: WeaviateServer) -> Iterator[Mapping[str, int]]:
    """The ports, `http` and `grpc`, at which a stand-in answers while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version, wbufsize = "HTTP/1.1", 65_536

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as the base class has it
            pass

        def _do(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, value = server.rest(
                self.command, self.path.split("?")[0], json.loads(sent) if sent else None
            )
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _do

    http = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    rpc = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", _MOST_BYTES)])
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(server, rpc)
    rpc.add_generic_rpc_handlers((_Health(),))
    port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    try:
        yield {"http": http.server_port, "grpc": port}
    finally:
        server.released.set()
        rpc.stop(0).wait(5)
        http.shutdown()
        http.server_close()
        thread.join(5)
