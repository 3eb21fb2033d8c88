"""Ways of cutting a text into passages; each passage knows where in the text it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gapless.retrievers.base import Embedder

_WORD = re.compile(r"\S+")
_SENTENCE = re.compile(r"(?<=[.;:?!])\s+|\n\s*\n")
_BORDERS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.;:?!])\s+"), re.compile(r"\s+"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """One passage of a text."""

    text: str
    start: int
    """First character in the text it was cut from."""
    end: int
    """One past the last character."""


def fixed(text: str, size: int, overlap: int = 0) -> list[Chunk]:
    """Windows of `size` words; each begins `size - overlap` words after the one before.

    Example:
        >>> [chunk.text for chunk in fixed("a b c d e", 3, 1)]
        ['a b c', 'c d e']
    """
    _check(size, overlap)
    spans = [match.span() for match in _WORD.finditer(text)]
    return _joined(text, spans, [1] * len(spans), size, overlap)


def sentence(text: str, size: int, overlap: int = 0) -> list[Chunk]:
    """Whole sentences, as many as fit into `size` words; the next passage repeats those of the last `overlap` words.

    A sentence longer than `size` words is a passage of its own.

    Example:
        >>> [chunk.text for chunk in sentence("One two. Three four. Five.", 4)]
        ['One two. Three four.', 'Five.']
    """
    _check(size, overlap)
    spans = list(_between(text, 0, len(text), _SENTENCE))
    return _joined(text, spans, [_count(text, span) for span in spans], size, overlap)


def recursive(text: str, size: int, overlap: int = 0) -> list[Chunk]:
    """Cut at blank lines; what is still longer than `size` words at line ends, then at sentences, then between words.

    Neighbours that fit are joined, never with parts of a piece that was cut further.

    Example:
        >>> [chunk.text for chunk in recursive("Head\\n\\nOne two. Three four five.", 3)]
        ['Head', 'One two.', 'Three four five.']
    """
    _check(size, overlap)
    return _cut(text, (0, len(text)), size, overlap, 0)


def semantic(embedder: Embedder, *, breaks: float = 0.25) -> Form:
    """A way of cutting where the subject changes: between neighbouring sentences that are least alike.

    Args:
        embedder: Embeds the sentences of a text.
        breaks: Share of the borders between sentences that are cut in any case, 0 to 1; elsewhere as `sentence` does.

    Returns:
        A function of text, size and overlap; no passage reaches across a break, so neither does what is repeated.

    Source:
        Hearst 1997, Computational Linguistics 23, "TextTiling", with embeddings in place of word counts.
    """
    if not 0 <= breaks <= 1:
        raise ValueError(f"breaks is {breaks:g}; allowed is a share, 0 to 1")

    def cut(text: str, size: int, overlap: int = 0) -> list[Chunk]:
        _check(size, overlap)
        spans = list(_between(text, 0, len(text), _SENTENCE))
        if not spans:
            return []
        vectors = embedder.embed([text[start:end] for start, end in spans])
        alike = (vectors[:-1] * vectors[1:]).sum(axis=1)
        ends = {int(at) + 1 for at in alike.argsort(kind="stable")[: round(breaks * len(alike))]} | {
            len(spans)
        }
        chunks: list[Chunk] = []
        first = 0
        for end in sorted(ends):
            part = spans[first:end]
            chunks += _joined(text, part, [_count(text, span) for span in part], size, overlap)
            first = end
        return chunks

    return cut


Form = Callable[[str, int, int], list[Chunk]]
"""A function of text, size and overlap in words; another library's chunker becomes one by way of `Chunk`."""

FORMS: dict[str, Form] = {
    "fixed": fixed,
    "sentence": sentence,
    "recursive": recursive,
}
"""Name -> way of cutting."""


def _check(size: int, overlap: int) -> None:
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(
            f"size {size} and overlap {overlap}: allowed are a size from 1 and an overlap from 0 to below it"
        )


def _count(text: str, span: tuple[int, int]) -> int:
    return len(_WORD.findall(text, *span))


def _between(text: str, start: int, end: int, border: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The stretches between borders, without white space around them, empty ones left out."""
    at = start
    for match in [*border.finditer(text, start, end), None]:
        stop = end if match is None else match.start()
        solid = text[at:stop]
        if solid.strip():
            yield at + len(solid) - len(solid.lstrip()), at + len(solid.rstrip())
        at = end if match is None else match.end()


def _cut(text: str, span: tuple[int, int], size: int, overlap: int, level: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    fitting: list[tuple[int, int]] = []

    def join() -> None:
        chunks.extend(_joined(text, fitting, [_count(text, one) for one in fitting], size, overlap))
        fitting.clear()

    for piece in _between(text, *span, _BORDERS[level]):
        if level + 1 < len(_BORDERS) and _count(text, piece) > size:
            join()
            chunks += _cut(text, piece, size, overlap, level + 1)
        else:
            fitting.append(piece)
    join()
    return chunks


def _joined(
    text: str, spans: list[tuple[int, int]], sizes: list[int], size: int, overlap: int
) -> list[Chunk]:
    """Neighbouring spans joined up to `size` words."""
    chunks: list[Chunk] = []
    first = 0
    while first < len(spans):
        last, total = first, sizes[first]
        while last + 1 < len(spans) and total + sizes[last + 1] <= size:
            last += 1
            total += sizes[last]
        start, end = spans[first][0], spans[last][1]
        chunks.append(Chunk(text[start:end], start, end))
        if last + 1 == len(spans):
            break
        first = _following(sizes, first, last + 1, size, overlap)
    return chunks


def _following(sizes: list[int], first: int, new: int, size: int, overlap: int) -> int:
    """Where the next passage begins: at `new`, or so many spans before it as may be repeated and leave room for it."""
    room, begin = min(overlap, size - sizes[new]), new
    while begin - 1 > first and sizes[begin - 1] <= room:
        begin -= 1
        room -= sizes[begin]
    return begin
