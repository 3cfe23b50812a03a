"""Every benchmark runs: they are the first thing that a changed name would break unseen."""
from __future__ import annotations

import json
import subprocess
import sys

import pytest

from arcrtc.benchmarks import registry


@pytest.mark.slow
def test_bench_every_benchmark_of_every_group_runs() -> None:
    """In a process of its own, as people run them: some keep sockets and threads until it ends."""
    done = subprocess.run([sys.executable, "-m", "arcrtc", "bench", "--quick", "--json"], capture_output=True,
                          text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout)["results"]
    assert {result["name"].partition(".")[0] for result in results} == set(registry.GROUPS)
    with_peer = {result["name"] for result in results if result["peer"] is not None}
    for name in ("srtp.protect.gcm128.1200B.openssl", "srtp.unprotect.cm128_80.160B.openssl",
                 "opus.encode.16k_mono_32k", "video.encode.h264.720p", "rtp.parse.1200B"):
        assert name in with_peer
