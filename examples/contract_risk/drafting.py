"""What the language model is asked for, in the form a very small one can do: finished findings, worked examples as chat
turns, and a grammar that leaves words and order free but lets every figure and capitalised name be only evidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Message = dict[str, str]
Finding = dict[str, Any]

SYSTEM = "You summarize the financial risk of a supplier. You report every finding once, with its figures, and add nothing."

_EXAMPLES = (
    (
        "Redfern Tools Ltd",
        (
            "exposure of USD 410,000 is within the liability cap of USD 655,000",
            "payment term of 30 days is within the standard of 45 days",
            "notice of 60 days is due by 2027-08-15",
        ),
        "For Redfern Tools Ltd, the exposure of USD 410,000 is within the liability cap of USD 655,000. The payment term of 30 days is within the standard of 45 days. The notice of 60 days is due by 2027-08-15.",
    ),
    (
        "Optima Paper GmbH",
        (
            "exposure of EUR 930,000 is above the liability cap of EUR 512,000",
            "payment term of 75 days is longer than the standard of 45 days",
            "notice of 180 days is due by 2028-01-04",
        ),
        "For Optima Paper GmbH, the exposure of EUR 930,000 is above the liability cap of EUR 512,000. The payment term of 75 days is longer than the standard of 45 days. The notice of 180 days is due by 2028-01-04.",
    ),
    (
        "Delmar Freight Inc",
        (
            "exposure of GBP 298,000 is above the liability cap of GBP 187,000",
            "payment term of 14 days is within the standard of 45 days",
            "notice of 90 days is due by 2027-11-23",
        ),
        "For Delmar Freight Inc, the exposure of GBP 298,000 is above the liability cap of GBP 187,000. The payment term of 14 days is within the standard of 45 days. The notice of 90 days is due by 2027-11-23.",
    ),
    (
        "Sandvale Foods BV",
        (
            "exposure of EUR 144,000 is within the liability cap of EUR 1,209,000",
            "payment term of 90 days is longer than the standard of 45 days",
            "notice of 30 days is due by 2028-05-30",
        ),
        "For Sandvale Foods BV, the exposure of EUR 144,000 is within the liability cap of EUR 1,209,000. The payment term of 90 days is longer than the standard of 45 days. The notice of 30 days is due by 2028-05-30.",
    ),
    (
        "Perrin Glass SA",
        (
            "exposure of USD 1,036,000 is above the liability cap of USD 948,000",
            "payment term of 40 days is within the standard of 45 days",
            "notice of 120 days is due by 2027-07-09",
        ),
        "For Perrin Glass SA, the exposure of USD 1,036,000 is above the liability cap of USD 948,000. The payment term of 40 days is within the standard of 45 days. The notice of 120 days is due by 2027-07-09.",
    ),
)


def messages(name: str, findings: Sequence[Finding]) -> list[Message]:
    """The chat that asks for one summary."""
    chat: list[Message] = [{"role": "system", "content": SYSTEM}]
    for example, said, answer in _EXAMPLES:
        chat += [_turn("user", _task(example, said)), _turn("assistant", answer)]
    return [*chat, _turn("user", _task(name, [finding["text"] for finding in findings]))]


def grammar(name: str, findings: Sequence[Finding]) -> str:
    """A GBNF grammar: free lower-case words, but every figure and every capitalised name is one of the evidence's."""
    figures = dict.fromkeys(figure for finding in findings for figure in finding["figures"])
    evidence = " | ".join(_literal(text) for text in [name, *figures])
    return "\n".join(
        [
            'root ::= sentence (" " sentence){0,4}',
            'sentence ::= start (","? " " part){2,40} "."',
            'start ::= "For" | "The" | "Its" | "It" | "A" | "Payment" | "Notice" | "Exposure" | evidence',
            "part ::= word | evidence",
            'word ::= [a-z]+ ("-" [a-z]+)?',
            f"evidence ::= {evidence}",
        ]
    )


def reference(name: str, findings: Sequence[Finding]) -> str:
    """A right summary in the form of the worked examples; the model is free to write another."""
    first, *rest = (finding["text"] for finding in findings) if findings else ("",)
    return f"For {name}, the {first}. " + " ".join(f"The {said}." for said in rest) if first else ""


def _task(name: str, findings: Sequence[str]) -> str:
    lines = "\n".join(f"- {finding}" for finding in findings)
    return f"Supplier: {name}\nFindings:\n{lines}\nSummarize the financial risk."


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _literal(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
