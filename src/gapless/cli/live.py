"""Progress on stderr: a bar where there is a terminal, a line now and then where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import click

from gapless.operations.progress import Progress, Tell

_EVERY_S = 10.0


@contextmanager
def progress(quiet: bool = False) -> Generator[Tell]:
    """A place to tell progress to."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as tell:
            yield tell
    else:
        yield _Lines()


def describe(update: Progress) -> str:
    """The running estimate in words: outcomes so far, and S where anything was judged.

    Example:
        >>> describe(Progress(what="trials", done=10, total=20, fresh=10, outcomes={"correct": 8, "wrong": 2}))
        'S 80 % so far (8 correct, 2 wrong)'
    """
    from gapless.report.wording import percent

    counts = ", ".join(f"{count} {outcome}" for outcome, count in update.outcomes.items() if count)
    total = sum(update.outcomes.values())
    judged = total - update.outcomes.get("unjudged", 0)
    if judged == 0:
        return counts
    right = update.outcomes.get("correct", 0)
    rate = percent(right / total, 0)
    if judged < total:
        rate = f"{rate} to {percent((right + total - judged) / total, 0)}"
    return f"S {rate} so far ({counts})"


@contextmanager
def _bar() -> Generator[Tell]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    class Left(TimeRemainingColumn):
        """Nothing where no time can be told: parts of unlike length."""

        def render(self, task: Any) -> Any:
            return super().render(task) if task.fields["even"] else ""

    columns: tuple[Any, ...] = (
        TextColumn("{task.fields[what]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Left(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, what="starting", note="", even=False)

        def tell(update: Progress) -> None:
            bar.update(
                task,
                completed=update.done,
                total=update.total,
                what=update.what,
                note=describe(update),
                even=update.fresh > 0,
            )

        yield tell


class _Lines:
    """One line at the start, one now and then, one at the end."""

    def __init__(self) -> None:
        self._last = 0.0
        self._began = time.monotonic()

    def __call__(self, update: Progress) -> None:
        now = time.monotonic()
        if now - self._last < _EVERY_S and update.done < update.total:
            return
        self._last = now
        left = ""
        if update.fresh and update.done < update.total:
            seconds = (now - self._began) / update.fresh * (update.total - update.done)
            left = f", about {seconds:.0f} s left"
        restarted = f", {update.restarted} restarted" if update.restarted else ""
        click.echo(
            f"{update.what}: {update.done}/{update.total}{left}{restarted}  {describe(update)}".rstrip(),
            err=True,
        )
