"""A reader thread with a bounded queue, so that slow decoding does not stall the pacing."""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Runs an iterator ahead of its reader, by at most ``depth`` items.

    The iterator is made, run and closed in a thread of its own. Nothing is ever
    dropped: a full queue stops the thread until the reader takes an item.

    Threads: get() and poll() from one thread at a time; close() from any.

    :param make: called once in the thread.
    :param depth: items kept ready, >= 1.
    """

    def __init__(self, make: Callable[[], Iterator[T]], depth: int) -> None:
        self._make = make
        self._depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="arcrtc-media-reader", daemon=True)
        self._thread.start()

    def get(self) -> T | None:
        """Wait for the next item; None: the end, or closed.

        :raises MediaError: what the iterator raised, after all items before it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended or self._closed)
            return self._take()

    def poll(self) -> tuple[bool, T | None]:
        """Give (True, what get() returns), or (False, None) where get() would wait."""
        with self._changed:
            if not (self._items or self._ended or self._closed):
                return False, None
            return True, self._take()

    def close(self) -> None:
        """Stop the thread and let go of the items; a second call does nothing."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
        self._thread.join()

    def _take(self) -> T | None:
        if self._items:
            self._changed.notify_all()
            return self._items.popleft()
        if self._fault is not None and not self._closed:
            raise self._fault
        return None

    def _put(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._depth or self._closed)
            if self._closed:
                return False
            self._items.append(item)
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
            self._fault = fault
            self._ended = True
            self._changed.notify_all()
