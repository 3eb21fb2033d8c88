"""Whether a text tells its reader that something went wrong. It reads English; in other languages it hears nothing."""

from __future__ import annotations

import re

_DOING = (
    "find|found|retriev|access|fetch|get|complet|process|obtain|determin|verif|answer|provid|look|load|read|search|"
    "connect|reach|confirm|calculat|check|assist|help|book|updat|cancel|perform|proceed|locat|identif|comput|respond|summari"
)
_ADMITS = re.compile(
    rf"""\b(?:i'?m\s+)?sorry\b | \bapologi[sz]e | \bunfortunately\b | \bregret(?:tably)?\b
      | \b(?:i|we)\s+(?:\w+\s+)?(?:could\s*n[o']t|could\s+not|can\s*not|cannot|can't|do\s+not\s+have|don't\s+have|did\s+not|didn't|was\s+not|were\s+not|am\s+not)\b
      | \b(?:unable|not\s+able|not\s+possible)\s+to\s+(?:{_DOING})
      | \b(?:could\s+not|couldn't|cannot|can't|can\s+not)\s+(?:be\s+)?(?:{_DOING})
      | \b(?:tool|search|lookup|request|service|system|retrieval|connection|database|api|server|call|query|agent|step|source)\s+
          (?:\w+\s+){{0,4}}?(?:failed|failing|error|unavailable|timed\s+out|down|returned\s+(?:an?\s+)?(?:error|no|nothing))
      | \b(?:an|the|some)\s+(?:\w+\s+)?error\b | \berrors?\s+(?:occurred|while|when)
      | \bno\s+(?:\w+\s+){{0,2}}?(?:data|information|results?|records?|evidence|matches|documents?)\b
          (?!\s+(?:breach|protection|processing|security|subject|retention|rights?))
      | \bno\s+(?:\w+\s+){{0,5}}?(?:found|available|returned|retrieved)\b | \bnothing\s+(?:was\s+)?found\b
      | \b(?:found|find|returned)\s+no\b
      | \bnot\s+(?:be\s+|been\s+)?(?:available|found|enough|retrieved)\b | \bunavailable\b
      | \bdid\s+not\s+(?:find|return|succeed|work)\b | \btry\s+again\b
      | \b(?:incomplete|partial)\s+(?:data|information|results?|answer|list)\b | \bonly\s+(?:a\s+)?part\b
      | \b(?:encounter(?:ed|ing|s)?|there\s+(?:is|was|seems\s+to\s+be|appears\s+to\s+be)|ran\s+into)\s+(?:\w+\s+){{0,2}}?
          (?:an?|some|the)?\s*(?:issue|problem|error|difficult\w*)\b
      | \btechnical\s+(?:issue|difficult|problem) | \bfailed\s+to\b
      | \b(?:transferr(?:ed|ing)|escalat(?:ed|ing)|hand(?:ed|ing)\s+(?:you|this)?\s*over)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WORD = re.compile(r"[a-z]{4,}|\d{2,}")
_EMPTY_WORDS = frozenset(
    ("error", "errors", "failed", "exception", "with", "that", "this", "from", "does", "have")
)
_REFUSING = frozenset(
    (
        "failed",
        "failure",
        "error",
        "no_data",
        "not_found",
        "unanswerable",
        "unavailable",
        "escalated",
        "incomplete",
        "refused",
    )
)
_STATE_KEYS = ("status", "outcome", "result", "verdict", "state")
_POSITIVE_KEYS = ("answerable", "answered", "found", "available", "success", "ok", "complete", "completed")


def admits(text: str) -> bool:
    """Whether a text admits that something failed, is missing, or was passed to a person.

    Example:
        >>> admits("I could not retrieve the contract."), admits("The cap is 5 million.")
        (True, False)
    """
    return _ADMITS.search(text.replace("’", "'")) is not None


def echoes(problem: str, text: str) -> bool:
    """Whether a text passes the words of a problem on to its reader.

    Example:
        >>> echoes("Error: gift card balance is not enough", "The balance of your gift card is not enough.")
        True
    """
    words = set(_WORD.findall(problem.lower())) - _EMPTY_WORDS
    said = set(_WORD.findall(text.lower()))
    return len(words) >= 2 and len(words & said) >= 0.6 * len(words)


def declines(update: dict[str, object]) -> bool:
    """Whether an object says by its own keys that there is no answer: an error, a refusing status, `found: false`."""
    if update.get("error") or update.get("errors"):
        return True
    if any(str(update.get(key)).lower() in _REFUSING for key in _STATE_KEYS):
        return True
    return any(update.get(key) is False for key in _POSITIVE_KEYS)
