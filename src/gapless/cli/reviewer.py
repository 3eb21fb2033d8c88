"""Who decides, as others will read it."""

from __future__ import annotations

import getpass


def named(who: str | None) -> str:
    """The name that was said, else the login name; "somebody" where a container gives its user none."""
    from gapless.report.printable import printable

    if who is not None and who.strip():
        return printable(who.strip())
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"
