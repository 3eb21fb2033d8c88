"""The one door to chonkie: its chunkers as ways of cutting, with sizes in words and nothing fetched from anywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gapless.errors import MissingExtra
from gapless.retrievers.chunking import Chunk, Form

if TYPE_CHECKING:
    from gapless.retrievers.base import Embedder

_TOKEN = re.compile(r"\A\s*\S+\s*|\S+\s*")
WHOLE = ("chonkie recursive", "chonkie semantic")
"""Names of the ways that repeat nothing: these chunkers take no overlap."""


def at_hand() -> bool:
    """Whether chonkie is installed; nothing is imported."""
    return find_spec("chonkie") is not None


def forms(embedder: Embedder | None = None) -> dict[str, Form]:
    """chonkie's chunkers by name: token, sentence, recursive; semantic with an embedder.

    Args:
        embedder: What the semantic chunker embeds sentences with, in place of a model from a hub.

    Returns:
        Name ("chonkie sentence") -> function of text, size and overlap in words. Where a chunker takes no overlap, one
        above 0 raises ValueError; so does a passage that does not stand in the text.

    Raises:
        MissingExtra: chonkie is not installed.
    """
    if not at_hand():
        raise MissingExtra("chonkie's chunkers", "chunking")
    made = {"chonkie token": _token, "chonkie sentence": _sentence, "chonkie recursive": _recursive}
    return made | ({"chonkie semantic": _semantic(embedder)} if embedder is not None else {})


def _token(text: str, size: int, overlap: int = 0) -> list[Chunk]:
    from chonkie import TokenChunker

    return _placed(text, TokenChunker(tokenizer=_words(), chunk_size=size, chunk_overlap=overlap))


def _sentence(text: str, size: int, overlap: int = 0) -> list[Chunk]:
    from chonkie import SentenceChunker

    return _placed(text, SentenceChunker(tokenizer=_words(), chunk_size=size, chunk_overlap=overlap))


def _recursive(text: str, size: int, overlap: int = 0) -> list[Chunk]:
    from chonkie import RecursiveChunker

    _no_overlap("recursive", overlap)
    return _placed(text, RecursiveChunker(tokenizer=_words(), chunk_size=size))


def _semantic(embedder: Embedder) -> Form:
    def cut(text: str, size: int, overlap: int = 0) -> list[Chunk]:
        from chonkie import SemanticChunker

        _no_overlap("semantic", overlap)
        return _placed(text, SemanticChunker(embedding_model=_embeddings(embedder), chunk_size=size))

    return cut


def _no_overlap(kind: str, overlap: int) -> None:
    if overlap:
        raise ValueError(f"overlap {overlap}: chonkie's {kind} chunker repeats nothing; allowed is 0")


def _placed(text: str, chunker: Any) -> list[Chunk]:
    """Passages with their true places: looked up in the text, for what a chunker says of them need not be so."""
    found: list[Chunk] = []
    at = 0
    for one in chunker.chunk(text) if text.strip() else []:
        said: str = one.text
        solid = said.strip()
        if not solid:
            continue
        lead = len(said) - len(said.lstrip())
        start = one.start_index + lead
        if text[start : start + len(solid)] != solid:
            start = text.find(solid, at)
        if start < 0:
            raise ValueError(
                f"{type(chunker).__name__} made a passage that is not in the text: {solid[:60]!r}"
            )
        found.append(Chunk(solid, start, start + len(solid)))
        at = start + 1
    return found


def _words() -> Any:
    """A tokenizer of words with the white space around them: nothing is lost, and nothing comes from a hub."""
    from chonkie.tokenizer import Tokenizer

    class Words(Tokenizer):
        def __repr__(self) -> str:
            return "Words()"

        def tokenize(self, text: str) -> Sequence[str]:
            return _TOKEN.findall(text)

        def encode(self, text: str) -> Sequence[int]:
            ids: list[int] = []
            for token in _TOKEN.findall(text):
                code = self.token2id[token]
                if code >= len(self.vocab):
                    self.vocab.append(token)
                ids.append(code)
            return ids

        def decode(self, tokens: Sequence[int]) -> str:
            return "".join(self.vocab[code] for code in tokens)

    return Words()


def _embeddings(embedder: Embedder) -> Any:
    from chonkie.embeddings import BaseEmbeddings

    class Ours(BaseEmbeddings):
        def embed(self, text: str) -> Any:
            return embedder.embed([text])[0]

        def embed_batch(self, texts: list[str]) -> list[Any]:
            return list(embedder.embed(texts)) if texts else []

        @property
        def dimension(self) -> int:
            return int(embedder.embed(["size"]).shape[1])

        def get_tokenizer(self) -> Any:
            return _words()

        @classmethod
        def is_available(cls) -> bool:
            return True

    return Ours()
