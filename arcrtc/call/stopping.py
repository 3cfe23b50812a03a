"""How what runs is ended: by Ctrl-C, in an orderly way."""
from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def ctrl_c_sets(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end what runs in an orderly way; a second one as usual."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def on_signal() -> None:
        stop.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    try:
        for number in numbers:
            loop.add_signal_handler(number, on_signal)
    except (ValueError, RuntimeError):  # not the main thread: nobody presses keys there
        yield
        return
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def until_set(stop: asyncio.Event) -> None:
    """Return when ``stop`` is set."""
    await stop.wait()


async def run_until_first(*tasks: asyncio.Task[None]) -> None:
    """Return when the first of the tasks ends; its fault, if any, is raised. All others are cancelled."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
