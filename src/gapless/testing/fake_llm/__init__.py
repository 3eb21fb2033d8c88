"""A scripted server for tests that speaks as OpenAI and Anthropic do: the real protocol, the real SDKs, only the model is written down.

It speaks chat completions, responses, messages, embeddings and models, streamed and whole; it is as slow and as faulty as its
script says, the same way every time. It refuses to guess: what no rule covers says so.
"""

from __future__ import annotations

from gapless.testing.fake_llm.loading import load_script, parse_script
from gapless.testing.fake_llm.model import Received
from gapless.testing.fake_llm.script import (
    Fault,
    Latency,
    Lognormal,
    Reply,
    Rule,
    Script,
    Spread,
    ToolCall,
    When,
)
from gapless.testing.fake_llm.server import FakeLLM

__all__ = [
    "FakeLLM",
    "Fault",
    "Latency",
    "Lognormal",
    "Received",
    "Reply",
    "Rule",
    "Script",
    "Spread",
    "ToolCall",
    "When",
    "load_script",
    "parse_script",
]
