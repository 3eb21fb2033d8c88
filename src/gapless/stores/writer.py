"""Group commit: everything that waits to be written goes to disk in one transaction, and only then is it reported."""

from __future__ import annotations

import asyncio
import queue
import threading
from dataclasses import dataclass, field

from gapless.errors import StoreError
from gapless.stores.store import Batch, Store

_SETTLE_S = 0.002
"""How long a group that is waiting anyway waits for those whom the last commit has just woken."""


@dataclass(slots=True)
class _Group:
    """What is committed together: one transaction, one wait, one hop to the writing thread and one back."""

    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    batches: list[Batch] = field(default_factory=list[Batch])


class Writer:
    """One thread that writes. `await commit(...)` returns when the batch is on disk. Serves one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._gathering: _Group | None = None
        self._writing = False
        self._thread = threading.Thread(target=self._run, name="gapless-writer", daemon=True)
        self._thread.start()

    def commit(self, batch: Batch) -> asyncio.Future[None]:
        """Hands a batch over; the future is done when it is on disk, and is shared by all that is written with it.

        Whoever may be cancelled while waiting must shield the future.

        Returns:
            A future that raises StoreError if the batch could not be written; nothing of it is then.
        """
        group = self._gathering
        if group is None:
            loop = asyncio.get_running_loop()
            group = self._gathering = _Group(loop, loop.create_future())
            if not self._writing:
                loop.call_soon(self._send)  # what else finishes in this round of the loop goes along
        group.batches.append(batch)
        return group.done

    def close(self) -> None:
        """Writes what is left and ends the thread."""
        self._send()
        self._queue.put(None)
        self._thread.join()

    def _send(self) -> None:
        group, self._gathering = self._gathering, None
        if group is not None:
            self._writing = True
            self._queue.put(group)

    def _run(self) -> None:
        while (group := self._queue.get()) is not None:
            failure: StoreError | None = None
            try:
                self._store.commit(group.batches)
            except Exception as error:  # whoever waits must learn of it, whatever it is
                failure = (
                    error if isinstance(error, StoreError) else StoreError(f"the store failed: {error!r}")
                )
            if not group.loop.is_closed():
                group.loop.call_soon_threadsafe(self._ended, group, failure)

    def _ended(self, group: _Group, failure: StoreError | None) -> None:
        self._writing = False
        if self._gathering is not None:
            # Sending it now would split the trials in flight into two halves that take turns, each with its own commit.
            group.loop.call_later(_SETTLE_S, self._send)
        if group.done.done():
            return
        if failure is None:
            group.done.set_result(None)
        else:
            group.done.set_exception(failure)
            group.done.exception()  # if nobody waits any more, asyncio need not complain
