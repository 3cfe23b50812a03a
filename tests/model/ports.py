"""UDP ports that nobody has, for programs that must be told their port."""
from __future__ import annotations

import random
import socket
import time
from pathlib import Path


def free_pairs(count: int) -> list[int]:
    """The first of ``count`` pairs of ports that lie one behind the other: even, odd, even, odd ..."""
    for _ in range(200):
        port = random.randrange(10_000, 30_000, 2)  # below those that the system gives away
        try:
            for number in range(port, port + 2 * count):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.bind(("0.0.0.0", number))
        except OSError:
            continue
        return list(range(port, port + 2 * count, 2))
    raise AssertionError(f"no {count} pairs of free ports")


def wait_until_bound(*ports: int, timeout_s: float = 20) -> None:
    """Until some process has bound all of these UDP ports (Linux)."""
    end = time.monotonic() + timeout_s
    while True:
        rows = [line.split() for name in ("udp", "udp6") if Path(f"/proc/net/{name}").exists()
                for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
        if set(ports) <= {int(row[1].rpartition(":")[2], 16) for row in rows}:
            return
        assert time.monotonic() < end, f"nobody listens at {ports}"
        time.sleep(0.02)
