"""Group commit: everything that waits to be written goes to disk in one transaction, and only then is it reported."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future

from gapless.errors import StoreError
from gapless.stores.store import Batch, Store

_MOST_AT_ONCE = 256


class Writer:
    """One thread that writes. `await commit(...)` returns when the batch is on disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[tuple[Batch, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="gapless-writer", daemon=True)
        self._thread.start()

    async def commit(self, batch: Batch) -> None:
        """Waits until a batch is on disk.

        Raises:
            StoreError: It could not be written; nothing of it is.
        """
        done: Future[None] = Future()
        self._queue.put((batch, done))
        await asyncio.shield(asyncio.wrap_future(done))

    def close(self) -> None:
        """Writes what is left and ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            waiting = [first]
            while len(waiting) < _MOST_AT_ONCE and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                waiting.append(following)
            self._commit(waiting)

    def _commit(self, waiting: list[tuple[Batch, Future[None]]]) -> None:
        try:
            self._store.commit([batch for batch, _ in waiting])
        except Exception as error:  # whoever waits must learn of it, whatever it is
            failure = error if isinstance(error, StoreError) else StoreError(f"the store failed: {error!r}")
            for _, done in waiting:
                done.set_exception(failure)
        else:
            for _, done in waiting:
                done.set_result(None)
