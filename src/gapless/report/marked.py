"""Words and tables in Markdown that users' text cannot break out of, and that name nobody by accident."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gapless.report.printable import isolated
from gapless.report.wording import shortened

_ROOM = 80
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>~&$!]")
_LEADING = re.compile(r"^(\s*)([-+=#]|\d+(?=[.)]))")
_PLAIN = re.compile(r"[^`|\\\s](?:[^`|\\\n]*[^`|\\\s])?")


def prose(text: str) -> str:
    """A sentence that may hold users' words: nothing in it is markup, a link or a mention.

    Example:
        >>> prose("draft -> end lost *3* | see http://x.example")
        'draft → end lost \\\\*3\\\\* &#124; see http&#58;//x.example'
    """
    said = _SPECIAL.sub(r"\\\g<0>", isolated(text.replace(" -> ", " → ")))
    said = said.replace("|", "&#124;").replace("://", "&#58;//").replace("www.", "www&#46;")
    said = re.sub(r"@(?=\w)", "@<!-- -->", said)  # no text is left for a mention to begin with
    return _LEADING.sub(_not_a_mark, said, count=1)


def _not_a_mark(found: re.Match[str]) -> str:
    space, mark = found.groups()
    return f"{space}{mark}\\" if mark[0].isdigit() else f"{space}\\{mark}"


def code(text: str, room: int = _ROOM) -> str:
    """A name as code, cut to a number of characters.

    Example:
        >>> code("retrieve"), code("a`b|c")
        ('`retrieve`', '<code>a&#96;b&#124;c</code>')
    """
    cut = isolated(shortened(text, room))
    if _PLAIN.fullmatch(cut):
        return f"`{cut}`"
    letters = "".join(letter if letter.isalnum() or letter == " " else f"&#{ord(letter)};" for letter in cut)
    return f"<code>{letters}</code>"


def block(text: str, language: str = "sh") -> str:
    """Text to be copied, with a fence longer than any in it."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", text))])
    return f"{fence}{language}\n{text}\n{fence}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table of cells that are Markdown already; a column in which no row has anything is left out.

    Args:
        heads: Names of the columns.
        rows: One cell per column; no cell holds a bare pipe.
        words: Columns of words, which come first; the others are figures and stand to the right.
    """
    listed = [list(row) for row in rows]
    kept = [i for i in range(len(heads)) if i == 0 or any(row[i] for row in listed)]
    lines = [[heads[i] for i in kept], [":--" if i < words else "--:" for i in kept]]
    lines += [[row[i] for i in kept] for row in listed]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
