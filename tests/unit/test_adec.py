"""audio/adec: one interface to every audio decoder."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.libopus import Decoder
from tests.model.speech import blocks, speech
from tests.unit.test_opuscodec import encode, encoder

OPUS = lib.ARC_AUDIO_OPUS


def decoder(codec: int = OPUS, rate: int = 16_000, channels: int = 1, heals: bool = False) -> Any:
    config = ffi.new("struct arc_adec_config *", {"codec": codec, "sample_rate_hz": rate, "channels": channels,
                                                  "heals": heals})
    return new_handle(lib.arc_adec_new, lib.arc_adec_free, "struct arc_adec", config, what="adec")


def decode(d: Any, packet: bytes, channels: int = 1) -> NDArray[np.int16]:
    out, n = np.zeros((lib.ARC_ADEC_MAX_SAMPLES, channels), dtype=np.int16), ffi.new("int32_t *")
    check(lib.arc_adec_decode(d, packet, len(packet), ffi.from_buffer("int16_t[]", out), len(out), n), "decode")
    return out[:n[0]]


def fill(d: Any, n: int, how: str = "conceal", channels: int = 1) -> NDArray[np.int16]:
    out = np.zeros((n, channels), dtype=np.int16)
    check(getattr(lib, f"arc_adec_{how}")(d, ffi.from_buffer("int16_t[]", out), n), how)
    return out


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_adec_opus_is_libopus_itself_also_where_packets_are_lost(rate: int, channels: int) -> None:
    """Long losses too: the level of what is made up is the caller's."""
    e = encoder(fec=True, expected_loss_pct=20, bitrate_bps=24_000)
    packets = [encode(e, pcm) for pcm in blocks(speech()[16_000:64_000], 320)]
    ours, theirs = decoder(OPUS, rate, channels), Decoder(rate, channels)
    n = rate // 50
    assert lib.arc_adec_rate_hz(ours) == rate
    assert lib.arc_adec_clock_hz(ours) == 48_000
    lost, fec = {*range(20, 45), 60, 80, 81, 100}, 0
    for i, packet in enumerate(packets):
        if i in lost:
            if i + 1 not in lost:
                out = np.zeros((n, channels), dtype=np.int16)
                status = lib.arc_adec_decode_fec(ours, packets[i + 1], len(packets[i + 1]),
                                                 ffi.from_buffer("int16_t[]", out), n)
                if status == lib.ARC_OK:
                    fec += 1
                    np.testing.assert_array_equal(out, theirs.decode(packets[i + 1], n, fec=True))
                    continue
            np.testing.assert_array_equal(fill(ours, n, channels=channels), theirs.decode(None, n))
        else:
            assert lib.arc_adec_packet_samples(ours, packet, len(packet)) == n
            np.testing.assert_array_equal(decode(ours, packet, channels), theirs.decode(packet))
    assert fec >= 2


@pytest.mark.parametrize(("heals", "blocks_made"), [(False, 3), (True, 7)])
def test_adec_out_of_memory_leaves_nothing(heals: bool, blocks_made: int) -> None:
    allocations, _ = survives_every_failure(lambda: decoder(heals=heals))
    can = ffi.new("struct arc_opus_features *")
    assert lib.arc_opus_probe(can) == lib.ARC_OK
    # Where libopus has DRED, its decoder and what it holds come on top.
    assert allocations > blocks_made if can.dred else allocations == blocks_made


@pytest.mark.parametrize(("heals", "result"), [(False, lib.ARC_AGAIN), (True, lib.ARC_OK)])
def test_adec_heals_where_it_was_asked_for(heals: bool, result: int) -> None:
    e, n = encoder(bitrate_bps=24_000), 320
    packets = [encode(e, pcm) for pcm in blocks(speech()[16_000:32_000], n)]
    d = decoder(heals=heals)
    sound = [decode(d, packet) for packet in packets[:20]]
    lib.arc_adec_mark(d)
    made, after = fill(d, n), decode(d, packets[21])
    before, given, next_ = (ffi.from_buffer("int16_t[]", pcm) for pcm in (sound[-1], made, after))
    assert lib.arc_adec_heal(d, packets[21], len(packets[21]), before, given, n, next_, given) == result
    assert decode(d, packets[21]).shape == (n, 1)


@pytest.mark.parametrize(("codec", "rate", "channels"), [(OPUS, 44_100, 1), (OPUS, 48_000, 3), (-1, 48_000, 1),
                                                         (5, 48_000, 1)])
def test_adec_new_refuses_what_there_is_not(codec: int, rate: int, channels: int) -> None:
    config = ffi.new("struct arc_adec_config *", {"codec": codec, "sample_rate_hz": rate, "channels": channels})
    out = ffi.new("struct arc_adec **")
    assert lib.arc_adec_new(config, out) == lib.ARC_ERR_ARG
    assert out[0] == ffi.NULL


def test_adec_dred_is_not_found_in_packets_that_have_none() -> None:
    """Opus without it, and codecs that never have it: nothing is done, so the caller conceals."""
    for codec in (lib.ARC_AUDIO_OPUS, lib.ARC_AUDIO_PCMU):
        out = ffi.new("struct arc_adec **")
        config = {"codec": codec, "sample_rate_hz": 16_000 if codec == lib.ARC_AUDIO_OPUS else 8000, "channels": 1}
        assert lib.arc_adec_new(ffi.new("struct arc_adec_config *", config), out) == lib.ARC_OK
        decoder = ffi.gc(out[0], lib.arc_adec_free)
        pcm = ffi.new("int16_t[160]")
        assert lib.arc_adec_decode_dred(decoder, 1, b"\x48abc", 4, 320, pcm, 160) == lib.ARC_AGAIN
        assert lib.arc_adec_decode_dred(decoder, 1, b"\x48abc", 4, 80, pcm, 160) == lib.ARC_ERR_ARG
        assert lib.arc_adec_decode_dred(decoder, 1, ffi.NULL, 4, 320, pcm, 160) == lib.ARC_ERR_ARG
