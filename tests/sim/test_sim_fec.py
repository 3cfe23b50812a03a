"""Two sessions with parity between them: what comes back of what the network loses."""
from __future__ import annotations

from typing import Any

import pytest

from arcrtc.fec import FecConfig, FecFormat
from arcrtc.session import Session, SessionConfig
from arcrtc.sim import NetworkPlan, World
from arcrtc.srtp import SrtpConfig
from tests.sim.test_sim_session import KEY, MS, RATE, picture, speechlike

AUDIO_FEC = FecConfig(payload_type=119, overhead=0.5, max_block_packets=8)


def hold_call(plan: NetworkPlan, seconds: float, *, audio_fec: FecConfig | None = None,
              video_fec: FecConfig | None = None, seed: int = 3, srtp: SrtpConfig | None = KEY, **config: Any) -> dict[str, Any]:
    """One-way call with samples and pictures; the numbers of both sides at its end."""
    a, b = (Session(SessionConfig(srtp=srtp, seed=s, **config), now_us=0) for s in (seed, seed + 1000))
    world = World(seed=seed)
    world.connect(a, b, plan)
    world.on_turn(b, lambda now_us: list(b.frames(now_us)) and None)
    voice = a.send_audio(packet_fec=audio_fec)
    b.receive_audio(packet_fec=audio_fec)
    camera = a.send_video(resolution=(320, 180), frame_rate=25, bitrate=1_000_000, encoder="libx264", threads=1,
                          packet_fec=video_fec)
    b.receive_video(packet_fec=video_fec)
    sound = speechlike(seconds)
    blocks, pictures = iter(range(len(sound) // 960)), iter(range(int(seconds * 25)))

    def say(now_us: int) -> None:
        from arcrtc.audio.frame import AudioFrame

        if (i := next(blocks, None)) is not None:
            voice.send(AudioFrame(samples=sound[960 * i:960 * (i + 1)], sample_rate=RATE), capture_us=now_us,
                       now_us=now_us)

    def show(now_us: int) -> None:
        if (i := next(pictures, None)) is not None:
            camera.send(picture(i), capture_us=now_us, now_us=now_us)

    world.every(20 * MS, say)
    world.every(40 * MS, show)
    world.run(int(seconds * 1e6) + 800 * MS)
    sent, received = a.stats(), b.stats()
    return {"sent": dict(zip(("audio", "video"), sent.send, strict=True)), "session": received.session,
            "received": dict(zip(("audio", "video"), received.receive, strict=True))}


VIDEO_FECS = {
    "flexfec": FecConfig(payload_type=120, overhead=0.4),
    "flexfec masks": FecConfig(payload_type=120, overhead=0.4, burst_packets=3, masks=True),
    "flexfec grid": FecConfig(payload_type=120, overhead=0.6, two_dimensional=True, max_block_packets=36),
    "ulpfec": FecConfig(format=FecFormat.ULPFEC, payload_type=120, overhead=0.4, max_block_packets=40),
    "ulpfec in stream": FecConfig(format=FecFormat.ULPFEC, payload_type=120, overhead=0.4, max_block_packets=40,
                                  in_stream=True),
}


@pytest.mark.parametrize("name", VIDEO_FECS)
def test_sim_fec_brings_back_what_is_lost_and_keeps_its_overhead(name: str) -> None:
    call = hold_call(NetworkPlan.symmetric(loss_rate=0.05, delay_ms=20), 8, audio_fec=AUDIO_FEC,
                     video_fec=VIDEO_FECS[name], nack=False)
    for kind, config in (("audio", AUDIO_FEC), ("video", VIDEO_FECS[name])):
        sent, got = call["sent"][kind]["network"], call["received"][kind]["network"]
        share = sent["fec"]["repair_bytes"] / sent["fec"]["media_bytes"]
        print(name, kind, got["lost_pkts"], got["fec"], share)
        assert share <= config.overhead + 0.02
        assert got["fec"]["recovered"] >= 0.6 * got["lost_pkts"] > 0
        assert got["recovered_pkts"] == got["fec"]["recovered"]
        assert got["fec"]["malformed"] == 0
    assert call["session"]["drops"]["malformed"] == call["session"]["drops"]["unknown_stream"] == 0
