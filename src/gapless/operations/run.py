"""`gapless run app.py`: a program as it is, with every LangGraph graph in it recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

CONDITION = "run"
"""Condition under which a program's own graph calls are kept."""
