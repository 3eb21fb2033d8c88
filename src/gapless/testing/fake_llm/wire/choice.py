"""Reads tool_choice, whose shapes differ a little between the two endpoints."""

from __future__ import annotations

from typing import Any

from gapless.testing.fake_llm.wire import fields
from gapless.testing.fake_llm.wire.trouble import bad


def choice_of(value: Any, tools: dict[str, dict[str, Any]]) -> tuple[str, str | None]:
    """("auto" | "none" | "required", the one tool that is demanded or None).

    Raises:
        Trouble: Status 400: an unknown word, a tool that is not offered, or a demand without tools.
    """
    if value is None:
        return "auto", None
    if isinstance(value, str):
        return _word(value, tools), None
    table = fields.table(value, "tool_choice")
    kind = fields.text(table, "type", "tool_choice.")
    if kind == "allowed_tools":
        inner = fields.table(table.get("allowed_tools") or table, "tool_choice.allowed_tools")
        return _word(str(inner.get("mode", "auto")), tools), None
    if kind != "function":
        return "auto", None  # a hosted or custom tool, which this server does not play
    name = fields.text(
        fields.table(table.get("function") or table, "tool_choice.function"), "name", "tool_choice."
    )
    if name not in tools:
        offered = ", ".join(tools) or "none"
        raise bad("tool_choice", f"Tool choice '{name}' not found in 'tools' parameter. Offered: {offered}.")
    return "required", name


def _word(word: str, tools: dict[str, dict[str, Any]]) -> str:
    if word not in ("auto", "none", "required"):
        raise bad(
            "tool_choice",
            f"Invalid value: {word!r}. Supported values are: 'auto', 'none', 'required', or an object that names a tool.",
            "invalid_value",
        )
    if word == "required" and not tools:
        raise bad("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.")
    return word
