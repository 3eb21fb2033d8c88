"""For every test: a terminal's signals, whatever started the tests, and no deadline that a busy machine would miss."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


def pytest_configure() -> None:
    """Ctrl-C reaches the programs that tests start, also where a shell put the tests into the background.

    Such a shell ignores SIGINT on their behalf, and a program that inherits this cannot be interrupted at all.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
