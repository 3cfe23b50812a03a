"""A made-up but consistent call over a lossy network: what report/ is built and tested against."""

from __future__ import annotations

import numpy as np

from arcrtc.report import (
    AudioQuality,
    CallReport,
    Event,
    FrameSeries,
    Latency,
    LatencySeries,
    Machine,
    Meta,
    NetworkDirection,
    PacketCounts,
    PathSeries,
    PlayoutSeries,
    ProcessFigures,
    ScoredWindow,
    SpeechScores,
    StreamReport,
    StreamSeries,
    VideoQuality,
)

STEP_S = 0.25


def sample_report(seed: int = 7, duration_s: float = 20.0) -> CallReport:
    """Speech and a camera from A to B; a second of bad weather at 40 % of the time."""
    rng = np.random.default_rng(seed)
    t = np.arange(STEP_S, duration_s + STEP_S / 2, STEP_S)
    storm = np.exp(-0.5 * ((t - 0.4 * duration_s) / 0.8) ** 2)
    network_ms = 25 + rng.gamma(2.0, 1.5, len(t)) + 45 * storm
    speech = _speech(rng, t, storm, network_ms, duration_s)
    camera = _camera(rng, t, storm, network_ms, duration_s)
    sent = speech.packets.sent + camera.packets.sent + camera.packets.retransmitted
    lost = speech.packets.lost_by_network + camera.packets.lost_by_network
    return CallReport(
        meta=Meta(
            arcrtc_version="0.1.0",
            created_utc="2026-11-22T21:55:03Z",
            command="arcrtc call --network lossy --seed 7 --out out/call",
            duration_s=duration_s,
            media="clip.mp4",
            network="lossy",
            network_description="3 % loss in bursts, 25 ms and up to 15 ms of jitter each way, 2.5 Mb/s",
            seed=seed,
            machine=Machine(
                cpu="Example CPU at 2.6 GHz",
                cores=2,
                os="Linux 6.1",
                python="3.11.7",
                memory_bytes=8_000_000_000,
            ),
            libraries={"OpenSSL": "3.0.17", "Opus": "1.3.1", "FFmpeg": "5.1.7"},
            settings={
                "srtp": "AEAD_AES_128_GCM",
                "nack": True,
                "min_latency_ms": 10,
                "max_latency_ms": 300,
                "audio": "opus 32 kb/s",
                "video": "h264 1.5 Mb/s, libx264",
            },
        ),
        streams=(speech, camera),
        network=(
            NetworkDirection(
                name="A to B",
                packets_in=sent,
                packets_out=sent - lost,
                bytes_in=sent * 980,
                bytes_out=(sent - lost) * 980,
                dropped={"loss": lost - 9, "queue full": 9},
                duplicated=4,
                reordered=31,
                delay_p50_ms=28.4,
                delay_p95_ms=61.0,
                delay_max_ms=93.1,
                queue_max_bytes=48_212,
            ),
            NetworkDirection(
                name="B to A",
                packets_in=612,
                packets_out=596,
                bytes_in=612 * 96,
                bytes_out=596 * 96,
                dropped={"loss": 16},
                delay_p50_ms=26.1,
                delay_p95_ms=33.0,
                delay_max_ms=41.7,
                queue_max_bytes=960,
            ),
        ),
        path=PathSeries(
            t_ms=_ms(t),
            rtt_ms=_row(54 + rng.gamma(2.0, 2.0, len(t)) + 60 * storm),
            estimate_bps=_row(2.3e6 - 0.9e6 * storm + rng.normal(0, 3e4, len(t))),
            capacity_bps=_row(np.where(storm > 0.4, 1.6e6, 2.5e6)),
        ),
        events=(
            Event(
                t_ms=212,
                kind="stream_added",
                stream="speech",
                text="first authenticated packet of 0x1a2b3c4d",
            ),
            Event(
                t_ms=245,
                kind="stream_added",
                stream="camera",
                text="first authenticated packet of 0x5e6f7081",
            ),
            Event(
                t_ms=7920,
                kind="rate_changed",
                stream="camera",
                text="1 500 -> 1 020 kb/s: delay rises by 38 ms/s (<over-use>)",
            ),
            Event(
                t_ms=8310, kind="key_frame_wanted", stream="camera", text="2 pictures could not be repaired"
            ),
            Event(t_ms=10_480, kind="rate_changed", stream="camera", text="1 020 -> 1 380 kb/s: no queue"),
        ),
        processes=(
            ProcessFigures(
                name="arcrtc call", cpu_s=9.13, cpu_s_per_s=9.13 / duration_s, peak_memory_bytes=171_000_000
            ),
        ),
    )


def _speech(
    rng: np.random.Generator, t: np.ndarray, storm: np.ndarray, network_ms: np.ndarray, duration_s: float
) -> StreamReport:
    packets = int(duration_s * 50)
    lost_pct = np.clip(rng.normal(2.6, 2.2, len(t)), 0, None) + 14 * storm
    missing_pct = lost_pct * (0.05 + 0.25 * storm)
    lost, recovered = (
        int(packets * lost_pct.mean() / 100),
        int(packets * (lost_pct - missing_pct).mean() / 100),
    )
    target_ms = 24 + 60 * np.maximum.accumulate(storm * np.exp(-0.02 * np.arange(len(t)))) * np.exp(
        -np.clip(t - 0.4 * duration_s, 0, None) / 5
    )
    played = np.arange(0.2, duration_s, 0.02)
    latency = 21 + np.interp(played, t, network_ms + target_ms) + rng.normal(0, 1.2, len(played))
    rate = 32_000 * (0.9 + 0.15 * rng.random(len(t)))
    return StreamReport(
        name="speech",
        direction="A to B",
        kind="audio",
        codec="opus",
        ssrc=0x1A2B3C4D,
        encoder="libopus",
        bitrate_bps=float(rate.mean()),
        packets=PacketCounts(
            sent=packets,
            received=packets - lost + recovered,
            lost_by_network=lost,
            retransmitted=recovered + 3,
            recovered=recovered,
            late=2,
            duplicate=4,
            bytes_sent=int(rate.mean() * duration_s / 8),
        ),
        latency=_latency(
            latency,
            {
                "capture": 20.0,
                "encode": 0.3,
                "send": 0.2,
                "network": float(network_ms.mean()),
                "jitter buffer": float(target_ms.mean()),
                "decode": 0.1,
            },
        ),
        audio=AudioQuality(
            concealed_pct=float(missing_pct.mean()),
            concealed_events=9,
            longest_gap_ms=80.0,
            fec_pct=2.1,
            silent_pct=0.0,
            inserted_pct=0.6,
            removed_pct=0.4,
            loss_before_pct=float(lost_pct.mean()),
            loss_after_pct=float(missing_pct.mean()),
            burst_ratio=1.4,
            jitter_ms=4.2,
            wait_p50_ms=31.0,
            wait_p95_ms=74.0,
            r_factor=104.2,
            mos=4.06,
            band="wideband",
            scores=SpeechScores(pesq=3.41, plcmos=4.02, stoi=0.951),
            score_windows=tuple(
                ScoredWindow(
                    t_ms=10_000.0 * i,
                    length_ms=10_000.0,
                    scores=SpeechScores(pesq=pesq, plcmos=plcmos, stoi=0.95),
                )
                for i, (pesq, plcmos) in enumerate(((3.1, 3.9), (3.72, None)))
            ),
            level_in_dbfs=-26.3,
            level_out_dbfs=-26.5,
            alignment_offset_ms=0.4,
            correlation=0.981,
        ),
        series=StreamSeries(
            t_ms=_ms(t),
            send_rate_bps=_row(rate),
            receive_rate_bps=_row(rate * (1 - missing_pct / 100)),
            target_rate_bps=_row(np.full(len(t), 32_000.0)),
            lost_pct=_row(lost_pct),
            unrepaired_pct=_row(missing_pct),
            network_delay_ms=_row(network_ms),
            jitter_target_ms=_row(target_ms),
            jitter_depth_ms=_row(np.clip(target_ms + rng.normal(0, 4, len(t)), 0, None)),
            concealed_pct=_row(missing_pct),
            mos=_row(4.3 - 1.6 * storm),
        ),
        latency_series=LatencySeries(t_ms=_ms(played), latency_ms=_row(latency)),
        playout=_packets(rng, t, network_ms, target_ms, lost_pct, missing_pct, duration_s),
    )


def _packets(
    rng: np.random.Generator,
    t: np.ndarray,
    network_ms: np.ndarray,
    target_ms: np.ndarray,
    lost_pct: np.ndarray,
    missing_pct: np.ndarray,
    duration_s: float,
) -> PlayoutSeries:
    """A row for each packet: those that the network lost are repaired or concealed."""
    left = np.arange(0.0, duration_s, 0.02)
    delay = np.interp(left, t, network_ms) + rng.gamma(2.0, 2.0, len(left)) - 4
    draw = 100 * rng.random(len(left))
    lost = draw < np.interp(left, t, lost_pct)
    missing = draw < np.interp(left, t, missing_pct)
    return PlayoutSeries(
        t_ms=_ms(left),
        network_ms=tuple(
            None if gone else round(float(d), 2) for gone, d in zip(lost, delay, strict=True)
        ),
        playout_ms=_row(np.interp(left, t, network_ms.min() + target_ms + 6)),
        status=tuple(
            "concealed" if m else "repaired" if gone else "played"
            for m, gone in zip(missing, lost, strict=True)
        ),
    )


def _camera(
    rng: np.random.Generator, t: np.ndarray, storm: np.ndarray, network_ms: np.ndarray, duration_s: float
) -> StreamReport:
    captured = np.arange(0, duration_s, 0.04)
    weather = np.interp(captured, t, storm)
    key = np.zeros(len(captured), dtype=bool)
    key[[0, int(0.42 * len(captured))]] = True
    draw = rng.random(len(captured))
    status = np.where(
        draw < 0.28 * weather, "frozen", np.where(draw < 0.55 * weather + 0.004, "late", "shown")
    )
    status[0] = "shown"
    wait = np.interp(captured, t, network_ms) + 34 + 40 * weather + rng.gamma(2.0, 2.0, len(captured))
    wait = wait + np.where(status == "late", 35.0, 0.0)
    seen = status != "frozen"
    target = np.where(storm > 0.35, 1.02e6, 1.5e6)
    size = np.interp(captured, t, target) / 8 / 25 * rng.lognormal(-0.05, 0.25, len(captured))
    size = np.where(key, size * 6, size)
    lost_pct = np.clip(rng.normal(3.0, 1.5, len(t)), 0, None) + 12 * storm
    missing_pct = lost_pct * (0.01 + 0.18 * storm)
    packets = int(size.sum() / 1050)
    lost, recovered = (
        int(packets * lost_pct.mean() / 100),
        int(packets * (lost_pct - missing_pct).mean() / 100),
    )
    target_ms = 18 + 34 * storm
    runs = np.flatnonzero((status[1:] == "frozen") & (status[:-1] != "frozen"))
    sent_bps = target * (1.0 + 0.05 * rng.standard_normal(len(t))) * (1 + lost_pct / 100)
    return StreamReport(
        name="camera",
        direction="A to B",
        kind="video",
        codec="h264",
        ssrc=0x5E6F7081,
        encoder="libx264",
        bitrate_bps=float(sent_bps.mean()),
        packets=PacketCounts(
            sent=packets,
            received=packets - lost + recovered,
            lost_by_network=lost,
            retransmitted=recovered + 21,
            recovered=recovered,
            late=6,
            duplicate=11,
            bytes_sent=int(sent_bps.mean() * duration_s / 8),
        ),
        latency=_latency(
            wait[seen],
            {
                "capture": 1.2,
                "encode": 6.1,
                "send": 4.8,
                "network": float(network_ms.mean()),
                "jitter buffer": float(target_ms.mean()),
                "decode": 2.3,
                "display": 7.9,
            },
        ),
        video=VideoQuality(
            width=640,
            height=360,
            frame_rate=25.0,
            sent=len(captured),
            shown=int((status == "shown").sum()),
            late=int((status == "late").sum()),
            frozen=int((status == "frozen").sum()),
            key_frames=2,
            freezes=len(runs),
            longest_freeze_ms=120.0,
            psnr_mean_db=38.42,
            psnr_p5_db=33.1,
            ssim_mean=0.9731,
            ssim_p5=0.9412,
        ),
        series=StreamSeries(
            t_ms=_ms(t),
            send_rate_bps=_row(sent_bps),
            receive_rate_bps=_row(sent_bps * (1 - missing_pct / 100)),
            target_rate_bps=_row(target),
            lost_pct=_row(lost_pct),
            unrepaired_pct=_row(missing_pct),
            network_delay_ms=_row(network_ms),
            jitter_target_ms=_row(target_ms),
            jitter_depth_ms=_row(np.clip(target_ms + rng.normal(0, 3, len(t)), 0, None)),
        ),
        latency_series=LatencySeries(
            t_ms=_ms(captured[seen] + wait[seen] / 1e3), latency_ms=_row(wait[seen])
        ),
        frames=FrameSeries(
            capture_us=tuple(int(c * 1e6) for c in captured),
            shown_us=tuple(
                int(c * 1e6 + w * 1e3) if s else None for c, w, s in zip(captured, wait, seen, strict=True)
            ),
            sent_bytes=tuple(int(b) for b in size),
            key=tuple(bool(k) for k in key),
            status=tuple(status.tolist()),
        ),
    )


def _latency(values: np.ndarray, stages_ms: dict[str, float]) -> Latency:
    p50, p95 = np.percentile(values, [50, 95])
    return Latency(p50_ms=float(p50), p95_ms=float(p95), max_ms=float(values.max()), stages_ms=stages_ms)


def _ms(t_s: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(v) * 1e3, 1) for v in t_s)


def _row(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(v), 2) for v in values)
