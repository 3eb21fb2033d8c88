"""Opens the retriever that a checkup asks: the one that is named, the built-in engines over a folder, or the reference agent's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gapless.errors import GaplessError, InvalidTarget, UsageError
from gapless.operations.checkup_store import open_named_store
from gapless.operations.open import import_object
from gapless.operations.progress import Progress, Tell, silent
from gapless.records.labelled_query import LabelledQuery
from gapless.settings import CheckupSettings, Place

if TYPE_CHECKING:
    from gapless.retrievers.base import Embedder

_METHODS = ("similarity_search", "search", "retrieve", "invoke")
"""How the field's own retrievers and stores are asked; LangChain's stores have a `search` that wants more than a query."""

_UNSEEN = ("notes", "stands_in")
"""What no probe reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalAsk:
    """What was said on the command line."""

    texts: Path | None = None
    """Folder of texts: to search with the built-in engines where no retriever is named, and to try ways of cutting on."""
    queries: Path | None = None
    """File with labelled queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """A retriever, with what it is asked."""

    retrieve: Callable[[str], Any] | None = None
    no_retriever: str = ""
    """Why the one that was named cannot be opened."""
    queries: Path | None = None
    labelled: tuple[LabelledQuery, ...] = ()
    engines: Mapping[str, Callable[[str], Any]] = field(default_factory=dict[str, Callable[[str], Any]])
    texts: Path | None = None
    embedder: Embedder | None = None
    """The built-in model, where it is at hand."""
    notes: tuple[str, ...] = ()
    stands_in: bool = False
    """Whether it is the reference agent's."""

    def shown(self) -> dict[str, Any]:
        """What probes read, by the names that a probe's subject has for them."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _UNSEEN}


def is_named(ask: RetrievalAsk, place: Place) -> bool:
    """Whether there is a retriever to look at without the reference agent."""
    said = place.settings.checkup
    return any(one is not None for one in (ask.texts, said.retriever, said.store, said.texts))


def need_readable(ask: RetrievalAsk) -> None:
    """Refuses what was named on the command line and cannot be used, before anything else is asked.

    Raises:
        InvalidSuite: The file of labelled queries cannot be used.
        UsageError: The folder of texts cannot.
    """
    from gapless.retrievers.labelled import read_queries
    from gapless.retrievers.texts import read_texts

    if ask.queries is not None:
        read_queries(ask.queries)
    if ask.texts is not None:
        read_texts(ask.texts)


def open_retrieval(
    ask: RetrievalAsk, place: Place, stand_in: Callable[[], Any] | None, tell: Tell = silent
) -> Retrieval:
    """What the context probes look at.

    Args:
        ask: Flags, which win over settings.
        place: Where paths in the settings begin.
        stand_in: Opens the reference agent's retriever, for when nothing is named.
        tell: Told before many passages are embedded, which takes its time.

    Returns:
        Of one that cannot be opened, why: one line of the checklist fails by it, and the others refer to that.
    """
    said, root = place.settings.checkup, Path(place.root)
    texts = ask.texts or (root / said.texts if said.texts is not None else None)
    queries = ask.queries or (root / said.queries if said.queries is not None else None)
    if said.retriever is not None or said.store is not None:
        model = _at_hand() if texts is not None else None
        rest = Retrieval(queries=queries, texts=texts, embedder=model)
        try:
            retrieve, engines = _named(said, root)
        except GaplessError as error:
            return replace(rest, no_retriever=str(error))
        return replace(rest, retrieve=retrieve, engines=engines)
    if texts is not None:
        return _built_in(texts, queries, tell)
    if stand_in is None or queries is not None:
        return Retrieval(queries=queries)
    try:
        collection, labelled = stand_in()
    except (GaplessError, ImportError) as error:
        return Retrieval(notes=(f"The reference agent's retriever cannot be opened: {error}",))
    return Retrieval(
        retrieve=collection.search, engines=collection.engines(), labelled=labelled, stands_in=True
    )


def _named(
    said: CheckupSettings, root: Path
) -> tuple[Callable[..., Any], Mapping[str, Callable[[str], Any]]]:
    """The retriever that is named, and the rankings behind it where it is a store that shows them.

    Raises:
        GaplessError: It cannot be opened.
    """
    if said.store is not None:
        found = open_named_store(said.store, root)
    else:
        found = import_object(said.retriever or "", root)
    asked = asked_by(found, said.retriever or "[checkup.store]")
    engines: Any = getattr(found, "engines", None)
    return asked, cast("Mapping[str, Callable[[str], Any]]", engines()) if callable(engines) else {}


def asked_by(found: Any, reference: str) -> Callable[..., Any]:
    """The function of a query that a retriever is asked by.

    Args:
        found: A function, or an object with one of the methods `similarity_search`, `search`, `retrieve`, `invoke`: a store
            of ours, a LangChain store or retriever, a LlamaIndex retriever.
        reference: What the user called it, for the message.

    Raises:
        InvalidTarget: It is neither.
    """
    for name in _METHODS:
        if callable(method := getattr(found, name, None)) and not isinstance(found, type):
            return method
    if callable(found) and not isinstance(found, type):
        return found
    kind = f"the class {found.__name__}: make one" if isinstance(found, type) else type(found).__name__
    raise InvalidTarget(
        f"{reference} is {kind}; name a function of a query, or an object with a method {' or '.join(_METHODS)}."
    )


def _at_hand() -> Embedder | None:
    """The built-in model, if it can be had without a download."""
    from gapless.retrievers import weights
    from gapless.retrievers.minilm import MiniLM
    from gapless.retrievers.remembering import Remembering

    try:
        return Remembering(MiniLM.load(), "minilm") if weights.at_hand("minilm") else None
    except GaplessError:  # it only counts tokens and tries further ways: the line says that they need it
        return None


def _built_in(folder: Path, queries: Path | None, tell: Tell) -> Retrieval:
    from gapless.retrievers.minilm import MiniLM
    from gapless.retrievers.remembering import Remembering
    from gapless.retrievers.texts import Collection, passages, read_texts

    embedder, notes = None, [f"No retriever is named: the built-in engines search {folder.name}."]
    try:
        texts = read_texts(folder)
    except UsageError:  # the lines that need it say why
        return Retrieval(queries=queries, texts=folder)
    try:
        try:
            embedder = Remembering(MiniLM.load(), "minilm")
        except GaplessError as error:
            notes.append(f"Words alone are searched: {error}")
        cut = passages(texts)
        if embedder is not None and not embedder.known([one.text for one in cut]):
            tell(Progress(what="passages to embed, once", done=0, total=len(cut), fresh=0))
        collection = Collection(cut, embedder)
    except GaplessError as error:
        return Retrieval(queries=queries, texts=folder, no_retriever=f"the texts cannot be searched: {error}")
    return Retrieval(
        retrieve=collection.search,
        engines=collection.engines(),
        queries=queries,
        texts=folder,
        embedder=embedder,
        notes=tuple(notes),
    )
