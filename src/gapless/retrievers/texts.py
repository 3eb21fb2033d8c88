"""A folder of texts as a collection: read, cut into passages, and searched by the built-in engines side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gapless.errors import UsageError
from gapless.retrievers.base import Document, Embedder, Hit, Retriever
from gapless.retrievers.bm25 import Bm25
from gapless.retrievers.chunking import FORMS
from gapless.retrievers.dense import Dense
from gapless.retrievers.hybrid import Hybrid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = (".txt", ".md", ".rst")
DEPTH = 10


def read_texts(folder: Path) -> dict[str, str]:
    """The texts of a folder and those below it, by path relative to it, in order of name.

    Raises:
        UsageError: There is no such folder, no text in it, or one that is no UTF-8.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: there is no such folder. Name one that holds texts ({', '.join(KINDS)})."
        )
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in KINDS and file.is_file())
    if not files:
        raise UsageError(
            f"{folder}: no text is there. Read are files that end in {', '.join(KINDS)}, in UTF-8."
        )
    try:
        return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in files}
    except OSError as error:
        raise UsageError(
            f"{error.filename}: cannot be read ({error.strerror}). Make it readable, or move it elsewhere."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{folder}: a text is no UTF-8: {error}. Convert it, or move it elsewhere."
        ) from error


def passages(
    texts: Mapping[str, str], *, form: str = "recursive", size: int = 150, overlap: int = 0
) -> list[Document]:
    """Every text cut into passages named "file#number", from 1; `metadata["document"]` names the file.

    Args:
        texts: Name -> text.
        form: One of `chunking.FORMS`.
        size: Words of a passage.
        overlap: Words that a passage repeats of the one before.

    Example:
        >>> [one.id for one in passages({"a.txt": "One two. Three four."}, size=2)]
        ['a.txt#1', 'a.txt#2']
    """
    return [
        Document(id=f"{name}#{number}", text=chunk.text, metadata={"document": name})
        for name, text in texts.items()
        for number, chunk in enumerate(FORMS[form](text, size, overlap), start=1)
    ]


class Collection:
    """The built-in engines over some documents, each a function of a query; shows its documents, vectors and model.

    Args:
        documents: What is searched.
        embedder: Embeds for `dense` and `hybrid`; without one there is word search alone.
        depth: Documents in an answer.
    """

    def __init__(
        self, documents: Sequence[Document], embedder: Embedder | None = None, *, depth: int = DEPTH
    ) -> None:
        self._documents = tuple(documents)
        self._embedder = embedder
        self._depth = depth
        self._rows: dict[str, NDArray[np.float32]] = {}
        sparse = Bm25(self._documents)
        self._engines: dict[str, Retriever] = {"sparse": sparse}
        if embedder is not None:
            dense = Dense(self._documents, embedder)
            self._rows = dict(zip((one.id for one in self._documents), dense.vectors, strict=True))
            self._engines |= {"dense": dense, "hybrid": Hybrid({"sparse": sparse, "dense": dense})}

    def search(self, query: str) -> list[Hit]:
        """What the best equipped engine finds: hybrid where there is an embedder."""
        return self._engines["hybrid" if self._embedder is not None else "sparse"].search(query, self._depth)

    def engines(self) -> dict[str, Callable[[str], list[Hit]]]:
        """The engines beside the one that `search` asks."""
        used = "hybrid" if self._embedder is not None else "sparse"
        return {name: self._ask(engine) for name, engine in self._engines.items() if name != used}

    def documents(self) -> tuple[Document, ...]:
        """Everything that can be found."""
        return self._documents

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """What is stored of some documents; nothing where words alone are searched."""
        return {name: self._rows[name] for name in ids if name in self._rows}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeds with the model that embeds queries.

        Raises:
            UsageError: There is none.
        """
        if self._embedder is None:
            raise UsageError("this collection is searched by words alone: nothing is embedded.")
        import numpy as np

        # one by one: collections may come from a cache on disk, and what is asked here is what the model says now
        return np.concatenate([self._embedder.embed([text]) for text in texts])

    def _ask(self, engine: Retriever) -> Callable[[str], list[Hit]]:
        return lambda query: engine.search(query, self._depth)
