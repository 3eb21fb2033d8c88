"""What goes wrong between the proxy and the server behind it, sorted by whether the call may have taken place."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager

from gapless.boundary.tool_calls.answers import Answer, text_of
from gapless.errors import BoundaryError, EndpointError

_TRANSIENT = re.compile(
    r"\b(?:408|425|429|50[0234])\b|time[d\- ]*out|timeout|temporar|unavailable|try again|rate limit|too many requests"
    r"|connection (?:reset|refused|aborted|closed|lost)|overloaded|busy",
    re.IGNORECASE,
)
_FIRST = 500
_NOT_BEGUN = (-32700, -32600, -32601, -32602)
"""Errors of JSON-RPC that say that the request was not understood: nothing took place."""


class ProtocolFailure(BoundaryError):
    """The server answered with a protocol error of its own, after it had understood what was wanted."""


@contextmanager
def as_ours(tool: str, lost: Callable[[], None], masked: Callable[[str], str]) -> Generator[None]:
    """Tells a call that never left from one of which nobody knows whether it took place.

    Args:
        tool: What is called.
        lost: Called where the connection broke.
        masked: Takes keys out of what the connection says.

    Raises:
        EndpointError: The server could not be reached: nothing was sent.
        BoundaryError: The connection broke during the call.
        MCPError: The server did not understand the request.
        ProtocolFailure: The server failed; its error is the cause.
    """
    import anyio
    import httpx2
    from mcp import MCPError
    from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

    try:
        yield
    except MCPError as error:
        if error.code in _NOT_BEGUN:
            raise
        if error.code not in (CONNECTION_CLOSED, REQUEST_TIMEOUT) and "terminated" not in str(error).lower():
            raise ProtocolFailure(f"{tool}: {error}", boundary=tool) from error
        lost()
        raise _broken(tool, error, masked) from error
    except (RuntimeError, httpx2.ConnectError, OSError) as error:
        lost()
        if _never_sent(error):
            said = masked(str(error))
            raise EndpointError(f"{tool}: the server behind the proxy cannot be reached: {said}") from error
        raise _broken(tool, error, masked) from error
    except (
        httpx2.HTTPError,
        anyio.ClosedResourceError,
        anyio.BrokenResourceError,
        anyio.EndOfStream,
    ) as error:
        lost()
        raise _broken(tool, error, masked) from error


def transient_answer(answer: Answer) -> str:
    """The words of an error that may be gone the next time; empty where they do not say so."""
    text = text_of(answer)[:_FIRST]
    return text if _TRANSIENT.search(text) else ""


def _never_sent(error: BaseException) -> bool:
    import httpx2

    refused = isinstance(error, (httpx2.ConnectError, ConnectionRefusedError, FileNotFoundError))
    return (
        refused or "failed to connect" in str(error).lower() or "failed to initialize" in str(error).lower()
    )


def _broken(tool: str, error: BaseException, masked: Callable[[str], str]) -> BoundaryError:
    said = masked(str(error)) or type(error).__name__
    text = f"{tool}: the connection to the server broke during the call ({said}). It may have taken place."
    return BoundaryError(text, boundary=tool)
