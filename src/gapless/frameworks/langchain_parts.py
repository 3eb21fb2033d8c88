"""Takes LangChain runnables apart, so that a fingerprint sees the functions, prompts and models inside."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.load import dumpd
from langchain_core.load.serializable import Serializable
from langchain_core.runnables import RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase, RunnableLambda, RunnableParallel
from langchain_core.tools import BaseTool

from gapless.records.value import to_plain


def parts_of(value: Any) -> list[Any] | None:
    """What a runnable consists of; None for anything that is none."""
    if isinstance(value, RunnableLambda):
        return [getattr(value, "func", None) or getattr(value, "afunc", None)]
    if isinstance(value, RunnableSequence):
        return list(value.steps)
    if isinstance(value, RunnableParallel):
        return [dict(cast("Any", value).steps__)]
    if isinstance(value, RunnableBindingBase):
        binding = cast("Any", value)
        return [binding.bound, stable_text(to_plain(binding.kwargs))]
    if isinstance(value, BaseTool):
        return _tool_parts(value)
    if isinstance(value, Serializable):
        # secrets are placeholders in the dump; what cannot be dumped counts by its class
        return [type(value), *([stable_text(dumpd(value))] if type(value).is_lc_serializable() else [])]
    return None


def described(value: Any) -> str | None:
    """What a runnable says of itself, its secrets left out; None for anything that does not."""
    try:
        if not isinstance(value, Serializable) or not type(value).is_lc_serializable():
            return None
        return stable_text(dumpd(value))
    except Exception:  # somebody else's class may fail in any way while it is asked
        return None


def stable_text(value: Any) -> str:
    """Text of the plain data in a value, in a fixed order; functions and objects by their name, without addresses."""
    return repr(_stable(value))


def _tool_parts(tool: BaseTool) -> list[Any]:
    functions = [getattr(tool, name, None) for name in ("func", "coroutine")]
    return [f"tool {tool.name}", type(tool), tool.description, *(one for one in functions if one is not None)]


def _stable(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return sorted((str(key), repr(_stable(one))) for key, one in pairs if key not in ("repr", "graph"))
    if isinstance(value, (list, tuple)):
        return [_stable(one) for one in cast("list[Any]", value)]
    return getattr(value, "__qualname__", type(value).__qualname__)
