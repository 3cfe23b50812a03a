"""Wireshark's dissectors read what we write: no complaint, and the same values."""
from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from arcrtc._native import ffi, lib
from arcrtc.rtcp import (
    App,
    FullIntraRequest,
    GenericNack,
    Goodbye,
    PictureLossIndication,
    ReceiverReport,
    Remb,
    ReportBlock,
    RtcpPacket,
    SdesChunk,
    SenderReport,
    SourceDescription,
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

RTP_PORT, RTCP_PORT = 5004, 5005
COMPLAINTS = ("_ws.malformed", "_ws.expert.message")


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _ip_packet(payload: bytes, port: int) -> bytes:
    """UDP over IPv4, sound to the last checksum (UDP's is left out, as IPv4 allows)."""
    udp = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + udp


def _pcap(path: Path, payloads: list[bytes], port: int) -> None:
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)  # link type 101: raw IP
    for i, payload in enumerate(payloads):
        packet = _ip_packet(payload, port)
        out += struct.pack("<IIII", 1 + i, 0, len(packet), len(packet)) + packet
    path.write_bytes(out)


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
    _pcap(path, [p.serialize() for p in packets], RTP_PORT)
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
    _pcap(path, [p.serialize() for p in packets], RTP_PORT)
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
        _pcap(path, [bytes(data)], port)
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
    _pcap(path, [RtcpPacket.serialize_compound(c) for c in compounds], RTCP_PORT)
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


def test_interop_tshark_rtx_wrap_shows_the_original_number(tmp_path: Path) -> None:
    original = RtpPacket(RtpHeader(65535, 1, 2, 96, extensions={1: b"x"}), b"media").serialize()
    out, n = ffi.new("uint8_t[]", 100), ffi.new("size_t *")
    assert lib.arc_rtx_wrap(original, len(original), 0xABCD, 97, 10, out, 100, n) == lib.ARC_OK
    path = tmp_path / "rtx.pcap"
    _pcap(path, [bytes(ffi.buffer(out, n[0]))], RTP_PORT)
    rows = _dissect(path, ["rtp.seq", "rtp.ssrc", "rtp.p_type", "rtp.payload"])
    _require_no_complaint(rows, 1)
    assert (rows[0]["rtp.seq"], int(rows[0]["rtp.ssrc"], 16), rows[0]["rtp.p_type"]) == ("10", 0xABCD, "97")
    assert rows[0]["rtp.payload"].replace(":", "") == "ffff" + b"media".hex()
