"""A process with everything it started: nobody of it outlives a test."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psutil


def end(process: subprocess.Popen[Any]) -> None:
    """Kills a process and whoever is below it, in process groups of their own too."""
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.wait()
    for one in below:
        if one.is_running():
            one.kill()


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Generator[None]:
    """Ends it with the block, however that ends."""
    with process:
        try:
            yield
        finally:
            end(process)
