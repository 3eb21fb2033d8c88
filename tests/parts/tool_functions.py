"""Python functions as tools, each healthy or with one defect: what a checkup of `functions = "tool_functions.py:..."` looks at."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from gapless.settings import ServerSettings

ORDERS = [f"A-{number}" for number in range(240)]
_busy = threading.Lock()


def source(name: str, **more: Any) -> ServerSettings:
    """A list of these, as a checkup is told of it."""
    return ServerSettings(functions=f"{Path(__file__).resolve()}:{name}", **more)


def price_per_piece(price: int, pieces: int) -> dict[str, float]:
    """Returns what one piece costs.

    Args:
        price: Of all pieces, in cents.
        pieces: How many there are.
    """
    return {"cents": price / pieces}


def checked_price_per_piece(price: int, pieces: int) -> dict[str, float]:
    """Returns what one piece costs.

    Args:
        price: Of all pieces, in cents.
        pieces: How many there are.
    """
    if type(price) is not int or type(pieces) is not int or pieces < 1:
        raise ValueError("price and pieces are whole numbers, and there is at least one piece")
    return {"cents": float(price) / pieces}


def list_orders() -> dict[str, Any]:
    """Lists orders."""
    return {"orders": ORDERS[:20], "total": len(ORDERS)}


def list_orders_from(cursor: int = 0) -> dict[str, Any]:
    """Lists orders, twenty at a time.

    Args:
        cursor: Where to begin.
    """
    return {"orders": ORDERS[cursor : cursor + 20], "total": len(ORDERS)}


def count_orders() -> dict[str, int]:
    """Counts orders; one call at a time."""
    if not _busy.acquire(blocking=False):
        raise ConnectionError("another call is in progress")
    try:
        time.sleep(0.05)
        return {"orders": len(ORDERS)}
    finally:
        _busy.release()


def count_all_orders() -> dict[str, int]:
    """Counts orders."""
    return {"orders": len(ORDERS)}


_asked: list[str] = [""]


def find_order(order: str) -> dict[str, str]:
    """Finds an order; what was asked for is kept where every call keeps it.

    Args:
        order: Its number.
    """
    _asked[0] = order
    time.sleep(0.08)  # long enough for another call to begin on a busy machine
    return {"order": _asked[0]}


def find_own_order(order: str) -> dict[str, str]:
    """Finds an order.

    Args:
        order: Its number.
    """
    time.sleep(0.01)
    return {"order": order}


def find_order_now(order: str) -> dict[str, Any]:
    """Finds an order, and says when.

    Args:
        order: Its number.
    """
    return {"order": order, "at": time.perf_counter_ns()}


def bookings(keyed: bool) -> list[Any]:
    """A tool that acts and says that it may be repeated, and one that shows what it did."""
    from langchain_core.tools import StructuredTool

    made: list[str] = []

    def reserve_order(order: str) -> str:
        if not (keyed and order in made):
            made.append(order)
        return "reserved"

    def list_reservations() -> dict[str, Any]:
        return {"reservations": list(made)}

    acting = {"readOnlyHint": False, "idempotentHint": True, "destructiveHint": False}
    return [
        StructuredTool.from_function(reserve_order, description="Reserves an order.", metadata=acting),
        StructuredTool.from_function(
            list_reservations, description="Lists reservations.", metadata={"readOnlyHint": True}
        ),
    ]


TWICE, ONCE = bookings(keyed=False), bookings(keyed=True)
