"""Wireshark's dissectors read what we write: no complaint, and the same values."""
from __future__ import annotations

import subprocess
from pathlib import Path

from arcrtc._native import ffi, lib
from arcrtc.rtcp import (
    App,
    CongestionControlFeedback,
    DelaySinceLastReceiverReport,
    DuplicateRle,
    ExtendedReport,
    FullIntraRequest,
    GenericNack,
    Goodbye,
    JitterBufferKind,
    LossRle,
    LostSlice,
    PacketLossConcealment,
    PictureLossIndication,
    PostRepairLoss,
    RateLimit,
    ReceiptTimes,
    ReceivedPacket,
    ReceiverReferenceTime,
    ReceiverReport,
    ReferencePictureSelection,
    Remb,
    ReportBlock,
    RtcpPacket,
    SdesChunk,
    SenderReport,
    SenderReportRequest,
    SliceLossIndication,
    SourceDescription,
    Spread,
    StatisticsSummary,
    StreamArrivals,
    TemporaryMaxBitrateNotification,
    TemporaryMaxBitrateRequest,
    TradeOff,
    TradeOffNotification,
    TradeOffRequest,
    TransportFeedback,
    UnknownXrBlock,
    VoipMetrics,
    XrBlock,
)
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.rtpext import (
    AbsCaptureTime,
    AbsSendTime,
    AudioLevel,
    ColorSpace,
    ExtensionMap,
    ExtensionValue,
    FeedbackRequest,
    Mid,
    MixerAudioLevels,
    PlayoutDelay,
    RepairedRtpStreamId,
    RtpStreamId,
    SpatialLayer,
    TransmissionOffset,
    TransportSequenceNumber,
    TransportSequenceNumber02,
    VideoLayersAllocation,
    VideoOrientation,
)
from tests.model.pcap import write_pcap

RTP_PORT, RTCP_PORT = 5004, 5005
COMPLAINTS = ("_ws.malformed", "_ws.expert.message")


def _dissect(path: Path, fields: list[str]) -> list[dict[str, str]]:
    """The fields of every packet; all values of one field joined by commas, truth as 1 or 0."""
    command = ["tshark", "-r", str(path), "-n", "-d", f"udp.port=={RTP_PORT},rtp",
               "-d", f"udp.port=={RTCP_PORT},rtcp", "-T", "fields", "-E", "separator=/t",
               "-E", "occurrence=a", "-E", "aggregator=,"]
    for field in (*fields, *COMPLAINTS):
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    truth = {"True": "1", "False": "0"}  # so from tshark 4.2 on
    rows = [[",".join(truth.get(value, value) for value in cell.split(",")) for cell in line.split("\t")]
            for line in done.stdout.splitlines()]
    return [dict(zip((*fields, *COMPLAINTS), row, strict=True)) for row in rows]


def _require_no_complaint(rows: list[dict[str, str]], n_packets: int) -> None:
    assert len(rows) == n_packets
    for row in rows:
        for complaint in COMPLAINTS:
            assert row[complaint] == "", row


def test_interop_tshark_rtp_with_both_extension_forms(tmp_path: Path) -> None:
    one = {1: b"A", 5: b"0123456789abcdef", 14: b"xyz"}
    two = {1: b"", 16: b"B", 255: bytes(range(200))}
    packets = [
        RtpPacket(RtpHeader(65530, 2**32 - 100, 0xCAFEBABE, 96, True), b"plain"),
        RtpPacket(RtpHeader(65531, 860, 0xCAFEBABE, 96, extensions=one), b"one-byte"),
        RtpPacket(RtpHeader(65532, 1820, 0xCAFEBABE, 96, extensions=two), b"two-byte"),
        RtpPacket(RtpHeader(65533, 2780, 0xCAFEBABE, 97, csrcs=(7, 2**32 - 1)), b"mixed"),
        RtpPacket(RtpHeader(65534, 3740, 0xCAFEBABE, 127, other_extension=(0x4242, b"12345678")), b"other"),
        RtpPacket(RtpHeader(65535, 4700, 0xCAFEBABE, 96), b"padded", padding=6),
        RtpPacket(RtpHeader(0, 5660, 0xCAFEBABE, 96), b"after the wrap"),
    ]
    path = tmp_path / "rtp.pcap"
    write_pcap(path, [p.serialize() for p in packets], RTP_PORT)
    fields = ["rtp.version", "rtp.seq", "rtp.timestamp", "rtp.ssrc", "rtp.p_type", "rtp.marker",
              "rtp.csrc.item", "rtp.payload", "rtp.padding.count", "rtp.ext.profile", "rtp.ext.rfc5285.id",
              "rtp.ext.rfc5285.len", "rtp.ext.rfc5285.data"]
    rows = _dissect(path, fields)
    _require_no_complaint(rows, len(packets))
    for packet, row in zip(packets, rows, strict=True):
        h = packet.header
        assert row["rtp.version"] == "2"
        assert int(row["rtp.seq"]) == h.sequence_number
        assert int(row["rtp.timestamp"]) == h.timestamp
        assert int(row["rtp.ssrc"], 16) == h.ssrc
        assert int(row["rtp.p_type"]) == h.payload_type
        assert row["rtp.marker"] == str(int(h.marker))
        assert [int(v, 16) for v in row["rtp.csrc.item"].split(",") if v] == list(h.csrcs)
        assert row["rtp.payload"].replace(":", "") == packet.payload.hex()
        assert row["rtp.padding.count"] == (str(packet.padding) if packet.padding else "")
        assert row["rtp.ext.rfc5285.id"] == ",".join(map(str, h.extensions))
        assert row["rtp.ext.rfc5285.len"] == ",".join(str(len(v)) for v in h.extensions.values())
        values = [value.hex() for value in h.extensions.values() if value]
        assert row["rtp.ext.rfc5285.data"].replace(":", "") == ",".join(values)
    profiles = [int(row["rtp.ext.profile"], 16) if row["rtp.ext.profile"] else None for row in rows]
    assert profiles == [None, 0xBEDE, 0x1000, None, 0x4242, None, None]


def test_interop_tshark_sees_every_typed_extension(tmp_path: Path) -> None:
    """It knows no value of theirs, but shows the elements: ids, lengths and bytes."""
    values: list[ExtensionValue] = [
        AudioLevel(-42, voice=True), MixerAudioLevels((0, -127)), Mid("a1"), RtpStreamId("hi"),
        RepairedRtpStreamId("lo"), AbsSendTime(0x123456), TransportSequenceNumber(65535), VideoOrientation(270),
        PlayoutDelay(0, 400), AbsCaptureTime(2**63 + 5), TransmissionOffset(-100), ColorSpace(1, 1, 1, 1),
        TransportSequenceNumber02(1, FeedbackRequest(3)),
        VideoLayersAllocation(((SpatialLayer(0, (100, 200), 640, 360, 30), SpatialLayer(1, (900,), 1280, 720, 30)),))]
    one, two = ({i + first: value for i, value in enumerate(values)} for first in (1, 200))
    one.popitem()  # the layers allocation is too long for the one-byte form
    packets = []
    for number, kinds in enumerate((one, two)):
        header = RtpHeader(number, 0, 0xCAFEBABE, 96)
        extension_map = ExtensionMap({i: value.URI for i, value in kinds.items()})
        for value in kinds.values():
            extension_map.set(header, value)
        packets.append(RtpPacket(header, b"payload"))
    path = tmp_path / "extensions.pcap"
    write_pcap(path, [p.serialize() for p in packets], RTP_PORT)
    rows = _dissect(path, ["rtp.ext.profile", "rtp.ext.rfc5285.id", "rtp.ext.rfc5285.data", "rtp.payload"])
    _require_no_complaint(rows, 2)
    assert [int(row["rtp.ext.profile"], 16) for row in rows] == [0xBEDE, 0x1000]
    for kinds, row in zip((one, two), rows, strict=True):
        assert row["rtp.ext.rfc5285.id"] == ",".join(map(str, kinds))
        found = [bytes.fromhex(text.replace(":", "")) for text in row["rtp.ext.rfc5285.data"].split(",")]
        assert [type(value).parse(data) for value, data in zip(kinds.values(), found, strict=True)] == [*kinds.values()]
        assert row["rtp.payload"].replace(":", "") == b"payload".hex()


def test_interop_tshark_sees_a_changed_byte(tmp_path: Path) -> None:
    """The checks above can fail: a broken length is complained about, a changed value is seen."""
    report = bytearray(ReceiverReport(1, (ReportBlock(2),)).serialize())
    report[3] += 1
    packet = bytearray(RtpPacket(RtpHeader(1, 2, 3, 96), b"x").serialize())
    packet[3] = 9
    for data, port in ((report, RTCP_PORT), (packet, RTP_PORT)):
        path = tmp_path / f"{port}.pcap"
        write_pcap(path, [bytes(data)], port)
        (row,) = _dissect(path, ["rtp.seq"])
        assert row["rtp.seq"] == "9" or any(row[complaint] for complaint in COMPLAINTS)


def test_interop_tshark_rtcp_of_every_type(tmp_path: Path) -> None:
    block = ReportBlock(0xCAFEBABE, 64, -3, 0x0001FFFA, 160, 0x12345678, 65536)
    report = ReceiverReport(0x1111)
    compounds: list[list[RtcpPacket]] = [
        [SenderReport(0x1111, 0xE5A1B2C3_80000000, 2**32 - 100, 70000, 9000000, (block,)),
         SourceDescription((SdesChunk(0x1111, ((1, b"user@example.org"), (6, b"arcrtc"))),))],
        [ReceiverReport(0x1111, (block, ReportBlock(0x2222, 255, 2**23 - 1))),
         SourceDescription.with_cname(0x1111, "abc"), Goodbye((0x1111, 0x2222), "leaving")],
        [report, Goodbye((0x1111,))],
        [report, App(0x1111, b"ARCT", b"12345678", 5)],
        [report, GenericNack(0x1111, 0xCAFEBABE, (65530, 65531, 65535, 0, 10, 300))],
        [report, PictureLossIndication(0x1111, 0xCAFEBABE)],
        [report, FullIntraRequest(0x1111, ((0xCAFEBABE, 9), (0x2222, 255)))],
        [report, Remb(0x1111, 2_500_000, (0xCAFEBABE, 0x2222))],
    ]
    path = tmp_path / "rtcp.pcap"
    write_pcap(path, [RtcpPacket.serialize_compound(c) for c in compounds], RTCP_PORT)
    fields = {
        "rtcp.pt": ["200,202", "201,202,203", "201,203", "201,204", "201,205"] + ["201,206"] * 3,
        "rtcp.length_check": ["1"] * 8,
        "rtcp.timestamp.ntp.msw": [str(0xE5A1B2C3)] + [""] * 7,
        "rtcp.timestamp.ntp.lsw": [str(0x80000000)] + [""] * 7,
        "rtcp.timestamp.rtp": [str(2**32 - 100)] + [""] * 7,
        "rtcp.sender.packetcount": ["70000"] + [""] * 7,
        "rtcp.sender.octetcount": ["9000000"] + [""] * 7,
        "rtcp.ssrc.fraction": ["64", "64,255"] + [""] * 6,
        "rtcp.ssrc.cum_nr": ["-3", f"-3,{2**23 - 1}"] + [""] * 6,
        "rtcp.ssrc.high_seq": ["65530", "65530,0"] + [""] * 6,
        "rtcp.ssrc.high_cycles": ["1", "1,0"] + [""] * 6,
        "rtcp.ssrc.jitter": ["160", "160,0"] + [""] * 6,
        "rtcp.ssrc.lsr": [str(0x12345678), f"{0x12345678},0"] + [""] * 6,
        "rtcp.ssrc.dlsr": ["65536", "65536,0"] + [""] * 6,
        "rtcp.sdes.type": ["1,6,0", "1,0"] + [""] * 6,
        "rtcp.sdes.text": ["user@example.org,arcrtc", "abc,leaving"] + [""] * 6,
        "rtcp.app.name": [""] * 3 + ["ARCT"] + [""] * 4,
        "rtcp.app.subtype": [""] * 3 + ["5"] + [""] * 4,
        "rtcp.app.data_str": [""] * 3 + ["12345678"] + [""] * 4,
        "rtcp.rtpfb.fmt": [""] * 4 + ["1"] + [""] * 3,
        # It lists every number asked for, and does not wrap those behind 65535.
        "rtcp.rtpfb.nack_pid": [""] * 4 + ["65530,65531,65535,65536,65546,300"] + [""] * 3,
        "rtcp.psfb.fmt": [""] * 5 + ["1", "4", "15"],
        "rtcp.psfb.fir.fci.csn": [""] * 6 + ["9,255", ""],
        "rtcp.psfb.remb.fci.number_ssrcs": [""] * 7 + ["2"],
        "rtcp.psfb.remb.fci.br_exp": [""] * 7 + ["4"],
        "rtcp.psfb.remb.fci.br_mantissa": [""] * 7 + [str(2_500_000 >> 4)],
        "rtcp.psfb.remb.fci.ssrc": [""] * 7 + ["0xcafebabe,0x00002222"],
    }
    rows = _dissect(path, list(fields))
    _require_no_complaint(rows, len(compounds))
    for field, expected in fields.items():
        assert [row[field].replace(":", "") for row in rows] == expected, field


def _require_values(path: Path, compounds: list[list[RtcpPacket]], fields: dict[str, dict[int, str]]) -> None:
    """No complaint, and of each field the values in the compounds of these numbers, nothing in the others."""
    write_pcap(path, [RtcpPacket.serialize_compound(c) for c in compounds], RTCP_PORT)
    rows = _dissect(path, [*fields, "rtcp.length_check"])
    _require_no_complaint(rows, len(compounds))
    assert {row["rtcp.length_check"] for row in rows} == {"1"}
    for field, expected in fields.items():
        shown = {i: row[field].replace(":", "") for i, row in enumerate(rows) if row[field]}
        assert shown == expected, field


def test_interop_tshark_rtcp_extended_reports(tmp_path: Path) -> None:
    """It takes the chunks of an RLE block to end 8 bytes later than they do: something must stand behind them.

    It has no name for the loss count after repair, and shows its type and length.
    """
    trace = tuple(i not in (21, 23, 43) for i in range(45))
    clock = ReceiverReferenceTime(0xE5A1B2C3_80000000)
    blocks: list[tuple[XrBlock, ...]] = [
        (LossRle(9, 13821, 13866, 0, trace), DuplicateRle(8, 65500, 100, 2, (True,) * 34), clock),
        (ReceiptTimes(9, 65535, 2, 0, (1, 2, 2**32 - 1)),),
        (DelaySinceLastReceiverReport(((1, 2, 3), (4, 5, 2**32 - 1))),),
        (StatisticsSummary(1, 2, 3, 4, 5, Spread(1, 2, 3, 2**32 - 1), hop_limit=Spread(5, 6, 7, 8)),),
        (StatisticsSummary(1, 2, 3, ttl=Spread(9, 10, 11, 12)),),
        (VoipMetrics(ssrc=7, loss_rate=12, discard_rate=13, burst_density=84, gap_density=10, burst_duration_ms=120,
                     gap_duration_ms=520, round_trip_delay_ms=80, end_system_delay_ms=65535, signal_level_db=-20,
                     noise_level_db=-128, residual_echo_return_loss_db=45, gmin_packets=16, r_factor=90,
                     external_r_factor=100, mos_lq_tenths=41, mos_cq_tenths=50,
                     loss_concealment=PacketLossConcealment.ENHANCED, jitter_buffer=JitterBufferKind.ADAPTIVE,
                     jitter_buffer_rate=15, jitter_buffer_nominal_ms=40, jitter_buffer_maximum_ms=60,
                     jitter_buffer_absolute_maximum_ms=500),),
        (VoipMetrics(ssrc=7),),
        (PostRepairLoss(1, 2, 3, 4, 5), UnknownXrBlock(99, 7, b"abcd")),
        (),
    ]
    voip = "rtcp.xr.voipmetrics."
    _require_values(tmp_path / "xr.pcap", [[ReceiverReport(0x1111), ExtendedReport(0x1111, b)] for b in blocks], {
        "rtcp.pt": dict.fromkeys(range(9), "201,207"),
        "rtcp.xr.bt": {0: "1,2,4", 1: "3", 2: "5", 3: "6", 4: "6", 5: "7", 6: "7", 7: "33,99"},
        "rtcp.xr.bl": {0: "4,3,2", 1: "5", 2: "6", 3: "9", 4: "9", 5: "8", 6: "8", 7: "3,1"},
        "rtcp.xr.tf": {0: "0,2", 1: "0"},
        "rtcp.ssrc.identifier": {
            0: "0x00000009,0x00000008", 1: "0x00000009", 2: "0x00000001,0x00000004", 3: "0x00000001", 4: "0x00000001",
            5: "0x00000007", 6: "0x00000007"},
        "rtcp.xr.beginseq": {0: "13821,65500", 1: "65535", 3: "2", 4: "2"},
        "rtcp.xr.endseq": {0: "13866,100", 1: "2", 3: "3", 4: "3"},
        "rtcp.xr.chunk.length": {0: "21,34"},
        "rtcp.xr.chunk.bit_vector": {0: f"{0x2FFF},{0x7F40}"},
        "rtcp.xr.receipt_time_seq": {1: f"1,2,{2**32 - 1}"},
        "rtcp.xr.lrr": {2: "2,5"}, "rtcp.xr.dlrr": {2: f"3,{2**32 - 1}"},
        "rtcp.xr.stats.lrflag": {3: "1", 4: "0"}, "rtcp.xr.stats.dupflag": {3: "1", 4: "0"},
        "rtcp.xr.stats.jitterflag": {3: "1", 4: "0"}, "rtcp.xr.stats.ttl": {3: "2", 4: "1"},
        "rtcp.xr.stats.lost": {3: "4", 4: "0"}, "rtcp.xr.stats.dups": {3: "5", 4: "0"},
        "rtcp.xr.stats.minjitter": {3: "1", 4: "0"}, "rtcp.xr.stats.devjitter": {3: f"{2**32 - 1}", 4: "0"},
        "rtcp.xr.stats.minttl": {3: "5", 4: "9"}, "rtcp.xr.stats.maxttl": {3: "6", 4: "10"},
        "rtcp.xr.stats.meanttl": {3: "7", 4: "11"}, "rtcp.xr.stats.devttl": {3: "8", 4: "12"},
        "rtcp.ssrc.fraction": {5: "12", 6: "0"}, "rtcp.ssrc.discarded": {5: "13", 6: "0"},
        voip + "burstdensity": {5: "84", 6: "0"}, voip + "gapdensity": {5: "10", 6: "0"},
        voip + "burstduration": {5: "120", 6: "0"}, voip + "gapduration": {5: "520", 6: "0"},
        voip + "rtdelay": {5: "80", 6: "0"}, voip + "esdelay": {5: "65535", 6: "0"},
        voip + "signallevel": {5: "-20", 6: "127"}, voip + "noiselevel": {5: "-128", 6: "127"},
        voip + "rerl": {5: "45", 6: "127"}, voip + "gmin": {5: "16", 6: "16"},
        voip + "rfactor": {5: "90", 6: "127"}, voip + "extrfactor": {5: "100", 6: "127"},
        voip + "moslq": {5: "4.1", 6: "127"}, voip + "moscq": {5: "5", 6: "127"},
        voip + "plc": {5: "2", 6: "0"}, voip + "jba": {5: "3", 6: "0"}, voip + "jbrate": {5: "15", 6: "0"},
        voip + "jbnominal": {5: "40", 6: "0"}, voip + "jbmax": {5: "60", 6: "0"}, voip + "jbabsmax": {5: "500", 6: "0"},
    })
    (shown, *_) = _dissect(tmp_path / "xr.pcap", ["rtcp.xr.timestamp"])
    assert "00:58:43.5" in shown["rtcp.xr.timestamp"]  # the date's form depends on the version


def test_interop_tshark_rtcp_feedback_on_rates_and_pictures(tmp_path: Path) -> None:
    """It has no names for what RPSI, TSTR and TSTN say and shows the bytes; an SR request is a number.

    Of the overhead in a TMMBR it shows the lowest 8 of 9 bits.
    """
    packets: list[RtcpPacket] = [
        SliceLossIndication(0x1111, 2, (LostSlice(1, 99, 7), LostSlice(8191, 2, 63))),
        ReferencePictureSelection(0x1111, 2, 96, b"\xab\xc0", 10),
        TemporaryMaxBitrateRequest(0x1111, (RateLimit(2, 2_500_000, 40), RateLimit(3, 131071 << 47, 255))),
        TemporaryMaxBitrateNotification(0x1111, (RateLimit(4, 1000, 0),)),
        TemporaryMaxBitrateNotification(0x1111, ()),
        TradeOffRequest(0x1111, (TradeOff(2, 255, 31),)), TradeOffNotification(0x1111, (TradeOff(2, 3, 4),)),
        SenderReportRequest(0x1111, 2),
    ]
    tmmbr = "rtcp.rtpfb.tmmbr.fci."
    _require_values(tmp_path / "control.pcap", [[ReceiverReport(0x1111), p] for p in packets], {
        "rtcp.psfb.fmt": {0: "2", 1: "3", 5: "5", 6: "6"},
        "rtcp.rtpfb.fmt": {2: "3", 3: "4", 4: "4", 7: "5"},
        "rtcp.mediassrc": {i: f"0x{ssrc:08x}" for i, ssrc in enumerate([2, 2, 0, 0, 0, 0, 0, 2])},
        "rtcp.psfb.fir.sli.first": {0: "1,8191"}, "rtcp.psfb.fir.sli.number": {0: "99,2"},
        "rtcp.psfb.fir.sli.picture_id": {0: "7,63"},
        "rtcp.fci": {1: "0660abc0", 5: "00000002ff00001f", 6: "0000000203000004"},
        tmmbr + "ssrc": {2: "0x00000002,0x00000003", 3: "0x00000004"},
        tmmbr + "exp": {2: "5,47", 3: "0"}, tmmbr + "mantissa": {2: f"{2_500_000 >> 5},131071", 3: "1000"},
        tmmbr + "measuredoverhead": {2: "40,255", 3: "0"},
    })


def test_interop_tshark_rtcp_feedback_on_arrivals(tmp_path: Path) -> None:
    """Version 4.0 has no names for what RFC 8888 says and shows the bytes."""
    packets: list[RtcpPacket] = [
        TransportFeedback(0x1111, 2, 65530, 7, -5, (0,) * 20 + (None,) * 30 + (250, 90000, None, 0)),
        TransportFeedback(0x1111, 2, 1, 255, 2**23 - 1, (0, None, 250, 63750)),
        CongestionControlFeedback(0x1111, 2, (
            StreamArrivals(3, 65535, (ReceivedPacket(512, 1), None, ReceivedPacket(0x1FFF, 3))),
            StreamArrivals(4, 0, ()))),
    ]
    twcc = "rtcp.rtpfb.transportcc."
    _require_values(tmp_path / "arrivals.pcap", [[ReceiverReport(0x1111), p] for p in packets], {
        "rtcp.rtpfb.fmt": {0: "15", 1: "15", 2: "11"},
        twcc + "baseseq": {0: "65530", 1: "1"}, twcc + "statuscount": {0: "54", 1: "4"},
        twcc + "reftime": {0: "-5", 1: f"{2**23 - 1}"}, twcc + "pktcount": {0: "7", 1: "255"},
        twcc + "pktchunk": {0: f"{0x2014},{30},{0xD880}", 1: f"{0xAC00}"},
    })
    rows = _dissect(tmp_path / "arrivals.pcap", ["rtcp.fci", twcc + "recv_delta"])
    deltas = [[int(v, 0) for v in row[twcc + "recv_delta"].split(",") if v] for row in rows]
    assert deltas == [[0] * 20 + [1, 359, 0x10000 - 360], [0, 1, 254], []]
    assert rows[2]["rtcp.fci"].replace(":", "") in ("ffff0003a2000000ffff0000000000040000000000000002", "")


def test_interop_tshark_rtx_wrap_shows_the_original_number(tmp_path: Path) -> None:
    original = RtpPacket(RtpHeader(65535, 1, 2, 96, extensions={1: b"x"}), b"media").serialize()
    out, n = ffi.new("uint8_t[]", 100), ffi.new("size_t *")
    assert lib.arc_rtx_wrap(original, len(original), 0xABCD, 97, 10, out, 100, n) == lib.ARC_OK
    path = tmp_path / "rtx.pcap"
    write_pcap(path, [bytes(ffi.buffer(out, n[0]))], RTP_PORT)
    rows = _dissect(path, ["rtp.seq", "rtp.ssrc", "rtp.p_type", "rtp.payload"])
    _require_no_complaint(rows, 1)
    assert (rows[0]["rtp.seq"], int(rows[0]["rtp.ssrc"], 16), rows[0]["rtp.p_type"]) == ("10", 0xABCD, "97")
    assert rows[0]["rtp.payload"].replace(":", "") == "ffff" + b"media".hex()
