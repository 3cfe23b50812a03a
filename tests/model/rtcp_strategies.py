"""Hypothesis strategies: RTCP packets of every kind, with values at the ends of their ranges."""
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from arcrtc import rtcp
from tests.model.xr_model import reported

u8, u16, u32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
u64 = st.integers(0, 2**64 - 1)
words = st.binary(max_size=40).map(lambda b: b + bytes(-len(b) % 4))


def tuples_of(items: st.SearchStrategy[Any], low: int, high: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Tuples of ``low..high`` items."""
    return st.lists(items, min_size=low, max_size=high).map(tuple)


def rates(mantissa_bits: int, exponents: int) -> st.SearchStrategy[int]:
    """Rates that the wire can say exactly."""
    return st.builds(lambda m, e: m << e, st.integers(0, 2**mantissa_bits - 1), st.integers(0, exponents))


@st.composite
def ascending(draw: st.DrawFn) -> tuple[int, ...]:
    """Distinct numbers, each after the one before, not once round."""
    first = draw(u16 | st.integers(65530, 65535))
    steps = draw(st.lists(st.integers(1, 40), max_size=60))
    return tuple((first + sum(steps[:i])) & 0xFFFF for i in range(len(steps) + 1))


run_lengths = st.integers(1, 3) | st.integers(1, 40) | st.just(16384)


def bit_runs(n: int) -> st.SearchStrategy[tuple[bool, ...]]:
    """``n`` bits in runs, long and short; few are drawn, and come again until there are enough."""
    def bits(first: bool, lengths: list[int]) -> tuple[bool, ...]:
        out: list[bool] = []
        while len(out) < n:
            for length in lengths:
                first = not first
                out += [first] * length
        return tuple(out[:n])

    return st.builds(bits, st.booleans(), st.lists(run_lengths, min_size=1, max_size=15))


@st.composite
def packet_ranges(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """(SSRC, begin, end, thinning), some over the wrap."""
    begin = draw(u16 | st.integers(65500, 65535))
    n = draw(st.integers(0, 200) | st.sampled_from([16383, 16384, 65533]))
    return draw(u32), begin, (begin + n) & 0xFFFF, draw(st.integers(0, 15) if n < 1000 else st.integers(3, 15))


@st.composite
def range_blocks(draw: st.DrawFn) -> rtcp.XrBlock:
    """Losses, duplicates or receipt times."""
    where = draw(packet_ranges())
    n = len(reported(*where[1:]))
    kind = draw(st.sampled_from([rtcp.LossRle, rtcp.DuplicateRle, rtcp.ReceiptTimes]))
    if kind is rtcp.ReceiptTimes and n <= 200:
        return rtcp.ReceiptTimes(*where, draw(tuples_of(u32, n, n)) if n < 20 else (draw(u32),) * n)
    return (rtcp.DuplicateRle if kind is rtcp.DuplicateRle else rtcp.LossRle)(*where, draw(bit_runs(n)))


spreads8 = st.builds(rtcp.Spread, u8, u8, u8, u8)
spreads32 = st.builds(rtcp.Spread, u32, u32, u32, u32)
summaries = st.builds(rtcp.StatisticsSummary, u32, u16, u16, st.none() | u32, st.none() | u32,
                      st.none() | spreads32) | st.builds(
    rtcp.StatisticsSummary, u32, u16, u16, ttl=spreads8) | st.builds(
    rtcp.StatisticsSummary, u32, u16, u16, lost_packets=u32, hop_limit=spreads8)
levels = st.none() | st.integers(-128, 126)
factors, scores = st.none() | st.integers(0, 100), st.none() | st.integers(10, 50)
voips = st.builds(
    rtcp.VoipMetrics, ssrc=u32, loss_rate=u8, discard_rate=u8, burst_density=u8, gap_density=u8,
    burst_duration_ms=u16, gap_duration_ms=u16, round_trip_delay_ms=u16, end_system_delay_ms=u16,
    signal_level_db=levels, noise_level_db=levels,
    residual_echo_return_loss_db=st.none() | u8.filter(lambda v: v != 127), gmin_packets=st.integers(1, 255),
    r_factor=factors, external_r_factor=factors, mos_lq_tenths=scores, mos_cq_tenths=scores,
    loss_concealment=st.sampled_from(rtcp.PacketLossConcealment),
    jitter_buffer=st.sampled_from(rtcp.JitterBufferKind), jitter_buffer_rate=st.integers(0, 15),
    jitter_buffer_nominal_ms=u16, jitter_buffer_maximum_ms=u16, jitter_buffer_absolute_maximum_ms=u16)
xr_blocks = st.one_of(
    range_blocks(), summaries, voips, st.builds(rtcp.PostRepairLoss, u32, u16, u16, u16, u16),
    st.builds(rtcp.ReceiverReferenceTime, u64),
    st.builds(rtcp.DelaySinceLastReceiverReport, tuples_of(st.tuples(u32, u32, u32), 1, 9)),
    st.builds(rtcp.UnknownXrBlock, st.sampled_from([0, 8, 32, 34, 255]), u8, words))
extended_reports = st.builds(rtcp.ExtendedReport, u32, tuples_of(xr_blocks, 0, 4))


deltas = st.one_of(
    st.lists(st.none() | st.integers(0, 300) | st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=20),
    st.builds(lambda delta, n: [delta] * n, st.none() | st.integers(0, 255) | st.integers(-300, 300),
              st.integers(1, 40) | st.sampled_from([7, 14, 15])))


def _arrivals_after(parts: list[list[int | None]], n_lost: int) -> tuple[int | None, ...]:
    out: list[int | None] = []
    now = 0
    for delta in (delta for part in parts for delta in part):
        now += delta or 0
        out.append(None if delta is None else 250 * now)
    return tuple(out + [None] * n_lost)


#: in steps of 250 us: in runs of one size, or as they come; some lost
arrivals = st.builds(_arrivals_after, st.lists(deltas, min_size=1, max_size=6),
                     st.sampled_from([0, 0, 0, 8190, 8191, 8192, 60000]))
transport_feedbacks = st.builds(rtcp.TransportFeedback, u32, u32, u16 | st.integers(65500, 65535), u8,
                                st.integers(-(2**23), 2**23 - 1), arrivals)
received = st.builds(rtcp.ReceivedPacket, st.integers(0, 0x1FFF), st.integers(0, 3))
stream_arrivals = st.builds(rtcp.StreamArrivals, u32, u16, tuples_of(st.none() | received, 0, 30))
congestion_feedbacks = st.builds(rtcp.CongestionControlFeedback, u32, u32, tuples_of(stream_arrivals, 1, 5))


@st.composite
def rpsis(draw: st.DrawFn) -> rtcp.ReferencePictureSelection:
    """A native bit string of any length."""
    n_bits = draw(st.integers(0, 100))
    value = draw(st.integers(0, 2**n_bits - 1)) << -n_bits % 8
    return rtcp.ReferencePictureSelection(draw(u32), draw(u32), draw(st.integers(0, 127)),
                                          value.to_bytes((n_bits + 7) // 8, "big"), n_bits)


limits = st.builds(rtcp.RateLimit, u32, rates(17, 47), st.integers(0, 511))
trade_offs = st.builds(rtcp.TradeOff, u32, u8, st.integers(0, 31))
slices = st.builds(rtcp.LostSlice, st.integers(0, 8191), st.integers(0, 8191), st.integers(0, 63))
control_messages = st.one_of(
    st.builds(rtcp.TemporaryMaxBitrateRequest, u32, tuples_of(limits, 1, 9)),
    st.builds(rtcp.TemporaryMaxBitrateNotification, u32, tuples_of(limits, 0, 9)),
    st.builds(rtcp.TradeOffRequest, u32, tuples_of(trade_offs, 1, 9)),
    st.builds(rtcp.TradeOffNotification, u32, tuples_of(trade_offs, 1, 9)),
    st.builds(rtcp.SenderReportRequest, u32, u32),
    st.builds(rtcp.SliceLossIndication, u32, u32, tuples_of(slices, 1, 9)), rpsis())

report_blocks = st.builds(rtcp.ReportBlock, u32, u8, st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32)
reports = tuples_of(report_blocks, 0, 31)
items = st.tuples(st.integers(1, 255), st.binary(max_size=255))
chunks = st.builds(rtcp.SdesChunk, u32, tuples_of(items, 0, 4))
reasons = st.none() | st.binary(max_size=255).map(lambda b: b.decode("utf-8", "surrogateescape"))
packets: st.SearchStrategy[rtcp.RtcpPacket] = st.one_of(
    st.builds(rtcp.SenderReport, u32, u64, u32, u32, u32, reports),
    st.builds(rtcp.ReceiverReport, u32, reports),
    st.builds(rtcp.SourceDescription, tuples_of(chunks, 0, 5)),
    st.builds(rtcp.Goodbye, tuples_of(u32, 0, 31), reasons),
    st.builds(rtcp.App, u32, st.binary(min_size=4, max_size=4), words, st.integers(0, 31)),
    st.builds(rtcp.GenericNack, u32, u32, ascending()),
    st.builds(rtcp.PictureLossIndication, u32, u32),
    st.builds(rtcp.FullIntraRequest, u32, tuples_of(st.tuples(u32, u8), 1, 9)),
    st.builds(rtcp.Remb, u32, rates(18, 46), tuples_of(u32, 0, 255)),
    st.builds(rtcp.UnknownRtcp, st.sampled_from([192, 208, 223, 0, 255]), st.integers(0, 31), words),
    control_messages, extended_reports, transport_feedbacks, congestion_feedbacks)
