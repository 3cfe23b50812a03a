"""SrtpPipeline with RtpPacket objects (arcrtc.rtp)."""
from __future__ import annotations

import pytest

from arcrtc import errors
from arcrtc.rtp import RtpHeader, RtpPacket
from arcrtc.srtp import SrtpConfig, SrtpPipeline, SrtpProfile


@pytest.mark.parametrize("profile", list(SrtpProfile), ids=lambda p: p.name)
def test_srtp_packets_go_round(profile: SrtpProfile) -> None:
    config = SrtpConfig(master_key=bytes(profile.key_bytes), master_salt=bytes(14), ssrc=12345, roc=0,
                        profile=profile)
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    for seq in range(65530, 65545):
        header = RtpHeader(sequence_number=seq & 0xFFFF, timestamp=1000, ssrc=12345, payload_type=96,
                           marker=False)
        packet = RtpPacket(header=header, payload=b"payload")
        wire = sender.encrypt(packet)
        assert wire == sender.encrypt(packet.serialize())
        assert wire[12:19] != b"payload"
        got = receiver.decrypt(wire)
        assert got == packet
        assert bytes(got.payload) == b"payload"
        with pytest.raises(errors.ReplayError):
            receiver.decrypt(wire)


def test_srtp_packets_forged_then_true() -> None:
    config = SrtpConfig(master_key=bytes(16), master_salt=bytes(14), ssrc=12345, roc=0)
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    header = RtpHeader(sequence_number=1, timestamp=1000, ssrc=12345, payload_type=96, marker=False)
    wire = sender.encrypt(RtpPacket(header=header, payload=b"payload"))
    with pytest.raises(errors.AuthenticationError):
        receiver.decrypt(wire[:-1] + bytes([wire[-1] ^ 1]))
    with pytest.raises(errors.ParseError):
        receiver.decrypt(b"")
    assert bytes(receiver.decrypt(wire).payload) == b"payload"


def test_srtp_packets_authentic_but_not_rtp_inside() -> None:
    """Padding is encrypted, so only decrypt() can see that its count is wrong."""
    config = SrtpConfig(master_key=bytes(16), master_salt=bytes(14))
    wire = SrtpPipeline(config).encrypt(bytes([0xA0, 96]) + bytes(10) + b"\xff")
    assert SrtpPipeline(config).decrypt_bytes(wire)[-1] == 0xFF
    with pytest.raises(errors.ParseError):
        SrtpPipeline(config).decrypt(wire)
