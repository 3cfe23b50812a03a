"""The same seed makes the same decisions, on every machine and version: hashes of whole logs."""
from __future__ import annotations

import hashlib

import pytest

from arcrtc.sim import Link, LinkConfig, NetworkPlan

GOLDEN = {
    "perfect": "a4368d51430756728798d22b8d2c6665",
    "wifi": "34fbb148cbd3b25ff65f941298e5c2ec",
    "lte": "9c81f0caabfe167e6bb912951bbf64f7",
    "lossy": "9e9b66f7920cc7279b985def0b566201",
    "congested": "efa7652bd3baecf209ff661593dc86f9",
    "everything": "a2588776fb758c4787f5f53f88e7a71b",
}
EVERYTHING = LinkConfig(loss_rate=0.02, burst_loss_rate=0.02, burst_length_pkts=3, delay_ms=25, jitter_ms=8,
                        jitter_shape="exponential", jitter_reorders=True, reorder_rate=0.01,
                        duplicate_rate=0.01, rate_kbps=1600, queue_ms=100, outages=((3, 0.4),))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_link_log(name: str) -> None:
    config = EVERYTHING if name == "everything" else NetworkPlan.preset(name).timeline("a_to_b")
    link = Link(config, seed=2026, log=2000)
    for i in range(2000):
        link.send(bytes(200 + 37 * i % 1000), i * 5000)
    assert link.log is not None
    assert hashlib.sha256(repr(list(link.log)).encode()).hexdigest()[:32] == GOLDEN[name]
