"""Where a report for the terminal is written: a text of some width, with colours where somebody looks."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def written(
    write: Callable[[Console], None], *, width: int | None = None, color: bool | None = None, most: int = 140
) -> str:
    """What `write` puts on a console, as text without spaces at line ends.

    Args:
        write: Is given the console; nothing printed on it is read as markup.
        width: Columns; those of the terminal by default, between 60 and `most`.
        color: ANSI colours; by default only where stdout is a terminal.
        most: Columns at most.
    """
    from rich.console import Console

    colored = sys.stdout.isatty() if color is None else color
    console = Console(
        file=io.StringIO(),
        width=max(60, min(most, width or shutil.get_terminal_size((100, 24)).columns)),
        force_terminal=colored,
        no_color=not colored,
        highlight=False,
        markup=False,
        emoji=False,
        color_system="standard" if colored else None,
    )
    with console.capture() as captured:
        write(console)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
