"""A reader thread that keeps the newest item only: what is live is never late."""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Runs an iterator at its own speed; its reader gets the newest item, or waits for the next.

    Whoever is slow skips, and never lags. As :class:`arcrtc.media.prefetch.Prefetch` but for that.

    Threads: get() and poll() from one thread at a time; close() from any.

    :param make: called once in the thread. What it gives must be closed by its own ``close`` or end by itself.
    :param on_skip: called in the thread for each item that was replaced before it was taken.
    """

    def __init__(self, make: Callable[[], Iterator[T]], on_skip: Callable[[], None] = lambda: None) -> None:
        self._make, self._on_skip = make, on_skip
        self._item: T | None = None
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="arcrtc-live-reader", daemon=True)
        self._thread.start()

    def get(self) -> T | None:
        """Wait for an item that was not yet taken; None: the end, or closed.

        :raises MediaError: what the iterator raised, after the last item.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._ended or self._closed)
            return self._take()

    def poll(self) -> tuple[bool, T | None]:
        """Give (True, what get() returns), or (False, None) where get() would wait."""
        with self._changed:
            if self._item is None and not self._ended and not self._closed:
                return False, None
            return True, self._take()

    def close(self) -> None:
        """Stop after the item that is being read; a second call does nothing."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()
        self._thread.join()

    def _take(self) -> T | None:
        item, self._item = self._item, None
        if item is None and self._fault is not None and not self._closed:
            raise self._fault
        return item

    def _put(self, item: T) -> bool:
        with self._changed:
            if self._closed:
                return False
            if self._item is not None:
                self._on_skip()
            self._item = item
            self._changed.notify_all()
            return True

    def _run(self) -> None:
        fault: BaseException | None = None
        try:
            for item in self._make():
                if not self._put(item):
                    break
        except BaseException as error:  # handed to the reader, whatever it is
            fault = error
        with self._changed:
            self._fault, self._ended = fault, True
            self._changed.notify_all()
