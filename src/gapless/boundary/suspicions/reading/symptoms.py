"""What a single value looks like: an error, nothing, a part of something. It knows no step and no other trial."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec

SHOWN = 160
_ITEM_KEYS = (
    "items",
    "results",
    "data",
    "hits",
    "records",
    "documents",
    "rows",
    "matches",
    "entries",
    "values",
)
_ACTING = (
    "executing|invoking|calling|while|when|during|fetching|retrieving|loading|reading|parsing|processing|connecting|"
    "getting|searching|running|performing|accessing|opening|code\\b|occurred|\\d"
)
_ERROR_START = re.compile(
    rf"""^[\s"'\[({{*<-]*(?:
        (?:(?:fatal|internal|unexpected|runtime|tool|server|api|http|an?)\s+)*(?:error|exception)(?:\s*[:!\-.(\[\])>]|\s+(?:{_ACTING})|\s*$)
      | traceback\s+\(most\s+recent
      | [A-Za-z_][\w.]*(?:Error|Exception|Timeout|Failure)\s*[:(]
      | failed\s+to\s+\w+
      | (?:request|call|tool|connection|query|lookup|search|execution)\s+(?:failed|refused|reset|timed\s+out|aborted)
      | (?:read\s+|connect(?:ion)?\s+|gateway\s+|request\s+)?time(?:d\s+|d-)?\s?-?out(?:\s+(?:after|while|error|exceeded|waiting)|\s*[:.!]|\s*$)
      | internal\s+server\s+error | service\s+(?:temporarily\s+)?unavailable | bad\s+gateway | too\s+many\s+requests
      | rate\s+limit\s+(?:exceeded|reached) | (?:access|permission)\s+denied
      | http(?:/\d(?:\.\d)?)?\s+(?:error\s+)?[45]\d\d\b
      | (?:status(?:\s+code)?|code)\s*[:=]?\s*[45]\d\d\b
      | [45]\d\d\b[^.\n]{{0,60}}?(?:error|unavailable|time-?\s?out|timed\s+out|not\s+found|forbidden|unauthori[sz]ed
            |bad\s+(?:request|gateway)|too\s+many|denied|failed|conflict|unprocessable|upstream)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_PROSE = re.compile(
    rf"^[\s\"'\[({{*<-]*(?:(?:fatal|internal|unexpected|runtime|tool|server|api|http|an?)\s+)*(?:error|exception)\s+(?:{_ACTING})(?![^\n.]*:\s)",
    re.IGNORECASE,
)
"""How a text about errors may begin as well: "Error code 12 means", without the colon that an error of one's own has."""
_NOTHING = re.compile(
    r"^(?:none|null|n/?a|nil|undefined|(?:(?:there\s+(?:are|were|is)|found|returned)\s+)?(?:no|0|zero)\s+(?:\w+\s+)?"
    r"(?:results?|matches|documents?|records?|rows?|data|entries|hits|items)(?:\s+(?:were\s+|was\s+)?(?:found|returned|available))?"
    r"|nothing\s+(?:was\s+)?found)[.!]?$",
    re.IGNORECASE,
)
_LIST_ITEM = re.compile(r"\s*(?:[-*•]|\d+[.)])\s+\S")
_GOES_ON = frozenset(",:-–—(/&=+")
_FAILED_WORDS = frozenset(("error", "failed", "failure"))
_STATUS_KEYS = ("status_code", "statusCode", "http_status", "httpStatus", "status")
_CUT_FLAGS = ("truncated", "is_truncated", "isTruncated", "partial", "is_partial", "isPartial", "incomplete")
_MORE_FLAGS = ("has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage")
_NEXT_KEYS = (
    "next_page",
    "nextPage",
    "next_cursor",
    "nextCursor",
    "next_page_token",
    "nextPageToken",
    "next_token",
)
_TOTAL_KEYS = ("total", "total_count", "totalCount", "total_results", "totalResults", "count")

SIGN_KEYS = frozenset((*_CUT_FLAGS, *_MORE_FLAGS, *_NEXT_KEYS, "error", "errors", "warning", "warnings"))
"""Keys that say something is amiss: a result that lacks them lacks nothing."""


def parsed(text: str) -> Any:
    """The data in a text that is JSON; else the text itself.

    Example:
        >>> parsed('{"a": [1]}'), parsed("[1] is a citation")
        ({'a': [1]}, '[1] is a citation')
    """
    stripped = text.strip()
    if not stripped or not ((stripped[0] in "{[" and stripped[-1] in "}]") or stripped in ("null", '""')):
        return text
    try:
        return msgspec.json.decode(stripped)
    except msgspec.DecodeError:
        return text


def error_in(value: Any, depth: int = 0, *, sure: bool = False) -> str | None:
    """The words of an error that a value carries as if it were a result; None when it carries none.

    Markers count at the top of a value and in its fields, not inside lists of items: a search through logs may
    well find a document whose status is "error".

    Args:
        value: What was answered.
        depth: How deep it lies already.
        sure: Whether only what can hardly be a right answer counts: a payment may have failed, a page may be a 404, and
            a manual may begin with "Error code 12 means".

    Example:
        >>> error_in({"error": "quota exceeded"}), error_in("503 Service Unavailable"), error_in("500 shares")
        ('quota exceeded', '503 Service Unavailable', None)
        >>> error_in({"status": "failed"}), error_in({"status": "failed"}, sure=True)
        ('status failed', None)
    """
    if isinstance(value, str):
        said = _ERROR_START.match(value[:400]) and not (sure and _PROSE.match(value[:400]))
        return value.strip()[:SHOWN] if said else None
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        found = marked_error(items, sure=sure)
        if found is None and depth < 2:
            found = next(
                filter(None, (error_in(inner, depth + 1, sure=sure) for inner in list(items.values())[:40])),
                None,
            )
        return found
    if isinstance(value, list) and value and depth < 2:
        errors = [error_in(item, 2, sure=sure) for item in cast("list[Any]", value)[:20]]
        return errors[0] if all(errors) else None
    return None


def marked_error(value: dict[str, Any], *, sure: bool = False) -> str | None:
    """The words of an error that an object declares by one of its own keys; `sure`: not by a status, which may be of the thing."""
    if value.get("is_error") is True or value.get("isError") is True:
        return _words(value.get("content", value.get("message")), "marked as an error")
    error = value.get("error")
    if error is True or (error and isinstance(error, (str, dict))):
        return _words(error, "marked as an error")
    if (
        value.get("errors")
        and isinstance(value["errors"], list)
        and value.get("data", value) in (None, value)
    ):
        return _graphql_error(value)
    return None if sure else _status_error(value)


def _status_error(value: dict[str, Any]) -> str | None:
    status = value.get("status")
    if isinstance(status, str) and status.lower() in _FAILED_WORDS:
        return _words(value.get("content", value.get("message")), f"status {status}")
    code = next((value[key] for key in _STATUS_KEYS if isinstance(value.get(key), int)), 0)
    if 400 <= code <= 599 and not isinstance(code, bool):
        return _words(value.get("message", value.get("detail")), "") or f"status {code}"
    return None


def is_empty(value: Any) -> bool:
    """Whether a value is nothing: None, "", [], {}, white space, or a text that only says so.

    Example:
        >>> is_empty({}), is_empty("No results found."), is_empty(0)
        (True, True, False)
    """
    if value is None:
        return True
    if isinstance(value, str):
        text = value.strip()
        return not text or text in ("[]", "{}", '""') or (len(text) < 60 and _NOTHING.match(text) is not None)
    return isinstance(value, (list, dict, bytes)) and not value


def cut_markers(value: Any) -> Iterator[tuple[str, str]]:
    """The signs by which a result says that it is not the whole: name of the sign, and the words for it."""
    if not isinstance(value, dict):
        return
    items = cast("dict[str, Any]", value)
    for key in _CUT_FLAGS + _MORE_FLAGS:
        if items.get(key) is True:
            yield key, f"{key} is true"
    for key in _NEXT_KEYS:
        if items.get(key):
            yield key, f"{key} is {str(items[key])[:40]!r}"
    yield from _short_of_total(items)


def is_prose(text: str) -> bool:
    """Whether a text is written for a reader: several words, and no data.

    Example:
        >>> is_prose("The cap is 5 million."), is_prose("net_30")
        (True, False)
    """
    return len(text) >= 20 and text.count(" ") >= 3


def is_complete(text: str) -> bool:
    """Whether a text ends where a sentence, a quotation, a table, a list or a formatting mark may end.

    Example:
        >>> is_complete("It renews."), is_complete("It renews in the"), is_complete("Pick one:\\n- red\\n- blue")
        (True, False, True)
    """
    last = text.rstrip()[-1:]
    if not (last.isalnum() or last in _GOES_ON):
        return True
    items = [line.rstrip() for line in text.splitlines() if _LIST_ITEM.match(line)]
    ends_in_list = len(items) > 1 and text.rstrip().endswith(items[-1])
    return ends_in_list and last.isalnum() and items[0][-1:].isalnum()


def looks_like_cut_json(value: Any) -> bool:
    """Whether a text begins as JSON and cannot be read as JSON."""
    return isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and isinstance(parsed(value), str)


def _graphql_error(value: dict[str, Any]) -> str | None:
    first = value["errors"][0]
    return (
        _words(first, "errors without data") if isinstance(first, (str, dict)) and "data" in value else None
    )


def _words(value: Any, otherwise: str) -> str:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return _words(inner.get("message", inner.get("text", inner.get("code"))), str(inner)[:SHOWN])
    if isinstance(value, list) and value:
        return _words(cast("list[Any]", value)[0], otherwise)
    return (
        str(value).strip()[:SHOWN]
        if isinstance(value, (str, int)) and value is not True and value
        else otherwise
    )


def _short_of_total(items: dict[str, Any]) -> Iterator[tuple[str, str]]:
    lists = {key: cast("list[Any]", value) for key, value in items.items() if isinstance(value, list)}
    named = [lists[key] for key in _ITEM_KEYS if key in lists] or (
        list(lists.values()) if len(lists) == 1 else []
    )
    if not named:
        return
    for key in _TOTAL_KEYS:
        total = items.get(key)
        if isinstance(total, int) and not isinstance(total, bool) and total > len(named[0]):
            yield key, f"{key} is {total}, but it holds {len(named[0])}"
