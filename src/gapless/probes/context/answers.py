"""Asks a retriever every labelled query once, and keeps what it answered in one form; whatever goes wrong is kept too."""

from __future__ import annotations

import asyncio
import inspect
import random
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gapless.errors import InvalidSuite, UsageError
from gapless.probes.base import ProbeUnavailable, Subject, Unusable
from gapless.report.wording import count
from gapless.retrievers.labelled import LabelledQuery, read_queries
from gapless.retrievers.texts import read_texts

QUERY_S = 10.0
_SHORT = 10  # words below which half of a quote is found by chance
_LONGEST_S = 60.0
MOST_HUNG = 3
"""Queries that may be left behind before nothing more is asked."""
MOST_HITS = 10_000
"""Documents of one answer that are taken from a generator: it may have no end."""
_TEXTS = ("text", "page_content", "content")
_IDS = ("id", "document_id", "doc_id", "node_id")
_BESIDE = (*_TEXTS, *_IDS, "score", "metadata", "indexed_at", "ranks")


@dataclass(frozen=True, slots=True)
class Found:
    """One document that a retriever handed over."""

    id: str
    """Its text where it has no id."""
    text: str = ""
    score: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    indexed_at: float | None = None
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a retriever said to one query."""

    query: LabelledQuery
    hits: tuple[Found, ...] = ()
    ms: float = 0.0
    problem: str = ""
    """Why there is no answer: it raised, did not end, or answered in a form that nobody can read."""
    hung: bool = False
    """Whether it did not end."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All answers of one retriever."""

    answers: tuple[Answer, ...]
    of: int
    """Queries there are; fewer answers than that where time ran out."""

    @property
    def basis(self) -> str:
        """On how many queries figures rest.

        Example:
            >>> Answers((), 5).basis
            '0 of 5 queries'
        """
        asked, every = len(self.answers), count(self.of, "query", "queries")
        return f"{asked} of {every}" if asked < self.of else every


def queries_of(subject: Subject) -> tuple[LabelledQuery, ...]:
    """The labelled queries of a subject.

    Raises:
        ProbeUnavailable: None are named.
        Unusable: Their file cannot be used.
    """
    if subject.labelled:
        return subject.labelled
    if subject.queries is None:
        raise ProbeUnavailable(
            'no labelled queries are named: [checkup] queries = "queries.jsonl"; '
            f"{label_command(subject)} makes some from texts"
        )
    try:
        return read_queries(subject.queries)
    except InvalidSuite as error:
        raise Unusable(f"the labelled queries cannot be used: {error}", "context") from error


def texts_of(subject: Subject) -> dict[str, str]:
    """The texts of the folder that was named.

    Raises:
        ProbeUnavailable: None is named.
        Unusable: The folder cannot be used.
    """
    if subject.texts is None:
        raise ProbeUnavailable("no folder of texts is named: gapless checkup context --chunking FOLDER")
    try:
        return read_texts(subject.texts)
    except UsageError as error:
        raise Unusable(f"the folder of texts cannot be used: {error}", "context") from error


def label_command(subject: Subject) -> str:
    """What to type to make or review labelled queries; FOLDER stands where none is named."""
    said = ["gapless", "label", "--queries", "FOLDER" if subject.texts is None else _near(subject.texts)]
    return shlex.join([*said, "--out", _near(subject.queries)] if subject.queries is not None else said)


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def need_retriever(subject: Subject) -> Callable[..., Any]:
    """The retriever; every line that needs one gives the same reason where none is named.

    Raises:
        ProbeUnavailable: None is named.
        Unusable: What was named of it cannot be used.
    """
    _need_opened(subject)
    if subject.retrieve is None:
        if subject.texts is not None:
            texts_of(subject)  # the built-in engines would have searched them
        raise ProbeUnavailable('no retriever is named: [checkup] retriever = "retrieval.py:search"')
    return subject.retrieve


def answers_of(subject: Subject, engine: str | None = None) -> Answers:
    """What the retriever, or one of the engines beside it, answers; asked once for all probes of a checkup.

    Raises:
        ProbeUnavailable: No retriever, or no labelled queries.
        Unusable: What was named of them cannot be used.
    """
    retrieve = need_retriever(subject) if engine is None else subject.engines[engine]
    key = f"answers/{engine or ''}"
    if key not in subject.memo:
        limit = min(_LONGEST_S, 4 * subject.seconds)
        subject.memo[key] = ask_all(retrieve, queries_of(subject), seconds=limit)
    return subject.memo[key]


def answered(subject: Subject) -> Answers:
    """The same, for lines that have nothing to look at where no query got an answer.

    Raises:
        ProbeUnavailable: No retriever, no labelled queries, or none of them was answered.
        Unusable: What was named of them cannot be used.
    """
    asked = answers_of(subject)
    if asked.answers and all(one.problem for one in asked.answers):
        raise ProbeUnavailable(f"no query was answered: {asked.answers[0].problem}")
    return asked


def _need_opened(subject: Subject) -> None:
    if subject.no_retriever:
        raise Unusable(f"the retriever cannot be used: {subject.no_retriever}", "context")


def exposed(subject: Subject, name: str) -> Any:
    """What the retriever shows of itself besides its search: a method or attribute of the object behind it, or None.

    Raises:
        Unusable: The retriever that was named cannot be opened.
    """
    _need_opened(subject)
    owner = getattr(subject.retrieve, "__self__", subject.retrieve)
    return getattr(owner, name, None)


def ask_all(
    retrieve: Callable[..., Any], queries: Sequence[LabelledQuery], *, seconds: float, each_s: float = QUERY_S
) -> Answers:
    """Asks the queries one after the other, in an order shuffled by a fixed seed, so that those left out are any.

    Args:
        retrieve: Function of a query; of `filter=` too where a query has one.
        queries: What to ask.
        seconds: No further query is asked after that.
        each_s: A query that takes longer is left behind and counts as failed.

    Returns:
        The answers in the order of the queries. After three that were left behind nothing more is asked.
    """
    order = list(range(len(queries)))
    random.Random(0).shuffle(order)
    begun, hung = time.monotonic(), 0
    found: dict[int, Answer] = {}
    for at in order:
        if hung == MOST_HUNG or (found and time.monotonic() - begun > seconds):
            break
        found[at] = ask(retrieve, queries[at], each_s)
        hung += found[at].hung
    return Answers(tuple(found[at] for at in sorted(found)), len(queries))


def ask(retrieve: Callable[..., Any], query: LabelledQuery, each_s: float = QUERY_S) -> Answer:
    """Asks one query, in a thread that is left behind if it does not end."""
    said: dict[str, Any] = {}
    left = threading.Event()
    more = {"filter": query.filter} if query.filter else {}

    def work() -> None:
        begun = time.perf_counter()
        try:
            value = retrieve(query.query, **more)
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
            said["hits"] = handed_over(value, left)
        except (
            BaseException
        ) as error:  # a foreign retriever may raise anything, exits included: that is what we look for
            said["problem"] = f"{type(error).__name__}: {error}"[:200]
        said["ms"] = (time.perf_counter() - begun) * 1e3

    worker = threading.Thread(target=work, daemon=True, name="gapless-retriever")
    worker.start()
    worker.join(each_s)
    if worker.is_alive():
        left.set()
        return Answer(query, ms=each_s * 1e3, problem=f"no answer within {each_s:g} s", hung=True)
    return Answer(query, said.get("hits", ()), said["ms"], said.get("problem", ""))


def handed_over(value: Any, left: threading.Event | None = None) -> tuple[Found, ...]:
    """What a search handed over, in one form; a generator may have no end, and is not followed for ever.

    Args:
        value: As `normalised` takes it.
        left: Set where nobody waits for it any more: nothing further is taken then.

    Raises:
        TypeError: It is nothing of that kind, or no end came in sight.
    """
    unsized = isinstance(value, Iterable) and not isinstance(value, Sized)
    return normalised(_some(cast("Iterable[Any]", value), left) if unsized else value)


def _some(handed: Iterable[Any], left: threading.Event | None) -> Iterator[Any]:
    for at, item in enumerate(handed):
        if left is not None and left.is_set():
            return
        if at == MOST_HITS:
            raise TypeError(
                f"it hands over more than {MOST_HITS:,} documents one by one, and no end is in sight"
            )
        yield item


def normalised(value: Any) -> tuple[Found, ...]:
    """What a retriever handed over, in one form.

    Args:
        value: A list of ids, texts, (document, score) pairs, dicts or objects with `id`, `text` (or `page_content`,
            `content`), `score`, `metadata`; or a dict that holds one such list; None is no document.

    Raises:
        TypeError: It is nothing of that kind.

    Example:
        >>> [(one.id, one.score) for one in normalised([{"id": "a", "score": 2}, "b"])]
        [('a', 2.0), ('b', None)]
    """
    if value is None:
        return ()
    if isinstance(value, Mapping):
        lists = [
            item for item in cast("Mapping[str, Any]", value).values() if isinstance(item, (list, tuple))
        ]
        if len(lists) != 1:
            raise TypeError(
                f"it answered with a dict of {len(lists)} lists; a list of documents was expected"
            )
        value = lists[0]
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"it answered with {type(value).__name__}; a list of documents was expected")
    return tuple(_found(item) for item in value)


def _found(item: Any) -> Found:
    if isinstance(item, (str, int)):
        return Found(id=str(item), text=item if isinstance(item, str) else "")
    if isinstance(item, tuple):
        pair = cast("tuple[Any, ...]", item)
        if len(pair) == 2 and isinstance(pair[1], (int, float)):
            inner = _found(pair[0])
            return Found(inner.id, inner.text, float(pair[1]), inner.metadata, inner.indexed_at)
    fields = dict(cast("Mapping[str, Any]", item)) if isinstance(item, Mapping) else _attributes(item)
    text = next((str(fields[name]) for name in _TEXTS if fields.get(name)), "")
    name = next((str(fields[name]) for name in _IDS if fields.get(name) is not None), text)
    if not name:
        raise TypeError(f"a document without id and text: {str(item)[:60]!r}")
    metadata = fields.get("metadata")
    rest = {key: value for key, value in fields.items() if key not in _BESIDE}
    kept = rest | (dict(cast("Mapping[str, Any]", metadata)) if isinstance(metadata, Mapping) else {})
    score, indexed = fields.get("score"), fields.get("indexed_at")
    return Found(
        id=name,
        text=text,
        score=float(score) if isinstance(score, (int, float)) else None,
        metadata=kept,
        indexed_at=float(indexed) if isinstance(indexed, (int, float)) else None,
    )


def _attributes(item: Any) -> dict[str, Any]:
    """The fields we read, of an object such as a hit of ours or a LangChain document."""
    return {name: getattr(item, name) for name in _BESIDE if hasattr(item, name)}


def named(answer: Answer) -> list[str]:
    """The places of an answer as names that can be looked up among what is relevant.

    A document counts under its own id, else under that of the document it was cut from (`metadata["document"]`). Where a
    query quotes passages, a document that holds one of them, or half of it, counts as the first that none before it held.
    """
    query = answer.query
    if query.relevant:
        names = ((hit.id, str(hit.metadata.get("document", ""))) for hit in answer.hits)
        return [
            own if own in query.relevant or whole not in query.relevant else whole for own, whole in names
        ]
    open_texts = {f"text-{at}": _plain(text) for at, text in enumerate(query.texts)}
    found: list[str] = []
    for place, hit in enumerate(answer.hits):
        held = next((name for name, text in open_texts.items() if _holds(_plain(hit.text), text)), None)
        if held is not None:
            del open_texts[held]
        found.append(held or f"place-{place}")
    return found


def grades(query: LabelledQuery) -> dict[str, int]:
    """What is relevant to a query, under the names that `named` gives."""
    return query.relevant or {f"text-{at}": 1 for at in range(len(query.texts))}


def _holds(passage: str, quote: str) -> bool:
    """Whether a passage holds a quoted one, its first or second half, or is a piece of it: borders cut through clauses."""
    if quote in passage:
        return True
    if len(quote.split()) < _SHORT:
        return False
    if len(passage.split()) >= _SHORT // 2 and passage in quote:
        return True
    words = quote.split()
    half = len(words) // 2
    return " ".join(words[:half]) in passage or " ".join(words[half:]) in passage


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
