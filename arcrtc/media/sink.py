"""A sink for frames in memory: what a program takes out at its own speed."""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from arcrtc.errors import ArgumentError, ClosedError

T = TypeVar("T")


class FrameSink(Generic[T]):
    """Holds the newest frames for a reader in another thread; a slow reader skips, and the writer never waits.

    :param capacity: frames held, 1..1024; the oldest gives way to a new one, counted in ``dropped``.
    :raises ArgumentError: ``capacity`` is out of range.

    Threads: any.
    """

    def __init__(self, capacity: int = 1) -> None:
        if not 1 <= capacity <= 1024:
            raise ArgumentError(f"capacity={capacity} is outside 1..1024")
        self._frames: deque[T] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0  #: frames that gave way before they were taken

    def write(self, frame: T) -> None:
        """Put a frame in.

        :raises ClosedError: after close().
        """
        with self._changed:
            if self._closed:
                raise ClosedError("the frame sink is closed")
            self.dropped += len(self._frames) == self._frames.maxlen
            self._frames.append(frame)
            self._changed.notify()

    def take(self) -> T | None:
        """The oldest frame held, or None at once."""
        with self._changed:
            return self._frames.popleft() if self._frames else None

    def close(self) -> None:
        """End the readers when they have taken what is held; a second call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Wait for frames and take them, until close()."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._frames or self._closed)
                if not self._frames:
                    return
                frame = self._frames.popleft()
            yield frame
