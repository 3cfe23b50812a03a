"""audio/opuscodec_heal: a decoder that is told what was made up for a loss."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.speech import blocks, speech
from tests.unit.test_opuscodec import AUDIO, DEFAULTS, decode, decoder, encode, encoder, view

RATE, N = 16000, 320
Pcm = NDArray[np.int16]


def healer(rate: int = RATE, channels: int = 1) -> Any:
    return new_handle(lib.arc_opus_heal_new, lib.arc_opus_heal_free, "struct arc_opus_heal", rate, channels,
                      ffi.NULL, what="healer")


def heal(h: Any, d: Any, packet: bytes, before: Pcm, made: Pcm, after: Pcm) -> tuple[int, Pcm]:
    out = np.zeros_like(made)
    before, made, after = (np.ascontiguousarray(x) for x in (before, made, after))
    status = lib.arc_opus_heal_run(h, d, packet[0], view(before), view(made), len(made), view(after), view(out))
    return int(status), out


def conceal(d: Any, n: int) -> Pcm:
    out = np.zeros(n, dtype=np.int16)
    check(lib.arc_opus_dec_conceal(d, view(out), n), "conceal")
    return out


def streams(**fields: Any) -> tuple[list[bytes], Pcm]:
    """Packets of the speech, and how they sound without a loss."""
    e, d = encoder(**fields), decoder()
    packets = [encode(e, block) for block in blocks(speech(), N)]
    return packets, np.concatenate([decode(d, packet)[:, 0] for packet in packets])


def error_after_losses(healed: bool, length: int) -> float:
    """Mean squared error of the packet right after a loss, where the gap itself was made up without fault."""
    packets, clean = streams()
    d, h, total, k = decoder(), healer(), 0.0, 0
    while k < len(packets) - 2 * length:
        if k % 9 != 5:
            decode(d, packets[k])
            k += 1
            continue
        at, following = k * N, (k + length) * N
        check(lib.arc_opus_heal_mark(h, d), "mark")
        conceal(d, length * N)
        after = decode(d, packets[k + length])[:, 0]
        if healed:
            status, _ = heal(h, d, packets[k + length], clean[at - N:at], clean[at:following],
                             clean[following:following + N])
            assert status == lib.ARC_OK
            after = decode(d, packets[k + length])[:, 0]
        total += float(np.mean((after.astype(float) - clean[following:following + N]) ** 2))
        k += length + 1
    return total


@pytest.mark.parametrize("length", [1, 3])
def test_heal_decoder_that_knows_the_gap_is_nearly_as_without_a_loss(length: int) -> None:
    assert error_after_losses(True, length) < 0.15 * error_after_losses(False, length)


def test_heal_renders_what_was_made_up() -> None:
    packets, clean = streams()
    d, h = decoder(), healer()
    for packet in packets[:100]:
        decode(d, packet)
    check(lib.arc_opus_heal_mark(h, d), "mark")
    status, out = heal(h, d, packets[101], clean[99 * N:100 * N], clean[100 * N:101 * N], clean[101 * N:102 * N])
    true = clean[100 * N:101 * N].astype(float)
    assert status == lib.ARC_OK
    assert np.mean((out - true) ** 2) < 0.1 * np.mean(true ** 2)


@pytest.mark.parametrize("tenth_ms", [100, 200, 300, 600, 1200])
def test_heal_does_multiples_of_ten_milliseconds(tenth_ms: int) -> None:
    packets, clean = streams()
    d, h, n = decoder(), healer(), RATE * tenth_ms // 10_000
    for packet in packets[:100]:
        decode(d, packet)
    check(lib.arc_opus_heal_mark(h, d), "mark")
    made = clean[100 * N:100 * N + n]
    status, out = heal(h, d, packets[100], clean[99 * N:100 * N], made, clean[100 * N + n:101 * N + n])
    assert status == lib.ARC_OK
    assert np.mean((out.astype(float) - made) ** 2) < 0.2 * np.mean(made.astype(float) ** 2)


def test_heal_leaves_alone_what_it_cannot_do() -> None:
    """CELT only, and lengths that SILK has not: nothing is done, the decoder goes on as before."""
    packets, clean = streams()
    celt = encode(encoder(application=AUDIO, bitrate_bps=96000), speech()[:N])
    assert celt[0] & 0x80
    d, twin, h = decoder(), decoder(), healer()
    for packet in packets[:50]:
        decode(d, packet)
        decode(twin, packet)
    check(lib.arc_opus_heal_mark(h, decoder()), "mark")
    for packet, n in ((celt, N), (packets[50], 40), (packets[50], N + 80)):
        status, _ = heal(h, d, packet, clean[:N], clean[:n], clean[:N])
        assert status == lib.ARC_AGAIN
    assert heal(h, d, packets[50], clean[:N], clean[:0], clean[:N])[0] == lib.ARC_ERR_ARG
    assert heal(h, d, packets[50], clean[:N], clean[:1921], clean[:N])[0] == lib.ARC_ERR_ARG
    assert np.array_equal(decode(d, packets[50]), decode(twin, packets[50]))


def test_heal_copied_decoder_goes_on_as_its_original() -> None:
    packets, _ = streams()
    d, twin = decoder(), decoder()
    for packet in packets[:20]:
        decode(d, packet)
    assert lib.arc_opus_dec_copy(twin, d) == lib.ARC_OK
    for packet in packets[20:40]:
        assert np.array_equal(decode(d, packet), decode(twin, packet))
    assert lib.arc_opus_dec_copy(decoder(48000), d) == lib.ARC_ERR_ARG
    assert lib.arc_opus_dec_copy(decoder(RATE, 2), d) == lib.ARC_ERR_ARG


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_heal_decodes_at_any_rate_and_in_stereo(rate: int, channels: int) -> None:
    n = rate // 50
    e = encoder(sample_rate_hz=rate, channels=channels, bitrate_bps=24000 * channels)
    t = np.arange(n * 20) / rate
    mono = (8000 * np.sin(2 * np.pi * 170 * t) * (1 + 0.3 * np.sin(2 * np.pi * 510 * t))).astype(np.int16)
    pcm = np.stack([mono] * channels, axis=1)
    packets = [encode(e, block) for block in blocks(pcm, n)]
    d, h = decoder(rate, channels), healer(rate, channels)
    clean = np.concatenate([decode(d, packet, channels) for packet in packets])
    d = decoder(rate, channels)
    for packet in packets[:10]:
        decode(d, packet, channels)
    check(lib.arc_opus_heal_mark(h, d), "mark")
    status, out = heal(h, d, packets[11], clean[9 * n:10 * n], clean[10 * n:11 * n], clean[11 * n:12 * n])
    assert status in (lib.ARC_OK, lib.ARC_AGAIN)
    if status == lib.ARC_OK:
        true = clean[10 * n:11 * n].astype(float)
        assert np.mean((out - true) ** 2) < 0.3 * np.mean(true ** 2)


def test_heal_new_refuses_and_survives_every_allocation_failure() -> None:
    allocations, _ = survives_every_failure(healer)
    assert allocations == 4
    out = ffi.new("struct arc_opus_heal **")
    for rate, channels in ((44100, 1), (16000, 3)):
        assert lib.arc_opus_heal_new(rate, channels, ffi.NULL, out) == lib.ARC_ERR_ARG
    lib.arc_opus_heal_free(ffi.NULL)
    assert DEFAULTS["sample_rate_hz"] == RATE
