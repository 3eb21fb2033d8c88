"""For every test: a terminal's signals, whatever started the tests, and no deadline that a busy machine would miss."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


def pytest_configure() -> None:
    """Ctrl-C reaches the programs that tests start, also where a shell put the tests into the background.

    Such a shell ignores SIGINT on their behalf, and a program that inherits this cannot be interrupted at all.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


TIMED = (
    "boundary/test_figures.py",
    "frameworks/test_first_token.py",
    "probes",
    "testing/fake_llm",
    "workflow/test_tail_cascade.py",
)
"""Tests that hold times against limits: `make test` runs them beside one other only."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that a busy machine could fail."""
    here = Path(__file__).parent
    timed = [here / place for place in TIMED]
    for item in items:
        if any(item.path == place or place in item.path.parents for place in timed):
            item.add_marker("timed")
