"""One thread that lets the repair controllers of many peers decide."""
from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from arcrtc.adaptation.controller import PERIOD_US, RepairController
from arcrtc.errors import ArcError


class RepairLoop:
    """Polls controllers once a second on a thread of its own, which ends when none is left.

    Controllers are held weakly: one whose peer is gone, or closed, is let go of.

    :param clock_us: monotonic clock, microseconds.

    Threads: add() may be called from any.
    """

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._lock = threading.Lock()
        self._controllers: list[weakref.ref[RepairController]] = []
        self._thread: threading.Thread | None = None
        self._idle = threading.Event()

    def add(self, controller: RepairController) -> None:
        """Poll this one too, from now on."""
        with self._lock:
            self._controllers.append(weakref.ref(controller))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="arcrtc-repair", daemon=True)
                self._thread.start()

    def _poll(self) -> None:
        with self._lock:
            controllers = list(self._controllers)
        gone = []
        for ref in controllers:
            controller = ref()
            try:
                if controller is None:
                    gone.append(ref)
                else:
                    controller.poll(self._clock_us())
            except ArcError:  # its peer was closed meanwhile
                gone.append(ref)
        with self._lock:
            self._controllers = [ref for ref in self._controllers if ref not in gone]

    def _run(self) -> None:
        while True:
            self._poll()
            with self._lock:
                if not self._controllers:
                    self._thread = None
                    return
            self._idle.wait(PERIOD_US / 1e6)
