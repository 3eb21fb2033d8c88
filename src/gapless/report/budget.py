"""A budget's answer in words, for the terminal and for a pull request."""

from __future__ import annotations

from gapless.records.budget import BudgetReport
from gapless.report.marked import prose, table

_MARKS = {"kept": "✅", "broken": "❌", "undecided": "⚠️"}


def render(found: BudgetReport) -> str:
    """The lines of a budget, and what they come to."""
    said = [f"  {line.verdict:9}  {line.name}: {line.sentence}" for line in found.lines]
    return "\n".join([f"Budget: {_answer(found)}", *said])


def render_markdown(found: BudgetReport) -> str:
    """The budget for a pull request."""
    mark = "✅" if found.passes else "❌"
    rows = [
        [f"{_MARKS[line.verdict]} {line.verdict}", prose(line.name), prose(line.sentence)]
        for line in found.lines
    ]
    return f"### {mark} Budget: {_answer(found)}\n\n{table(['', 'limit', 'measured'], rows, words=3)}\n"


def _answer(found: BudgetReport) -> str:
    if found.passes:
        return "kept" if all(line.verdict == "kept" for line in found.lines) else "not broken"
    return "broken" if any(line.verdict == "broken" for line in found.lines) else "not proven kept"
