"""arcrtc.sdp: round trips, the RFCs' examples, what others write, refusals that keep the key secret."""
from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc.errors import ConfigError, ParseError
from arcrtc.rtpext import ExtensionMap
from arcrtc.sdp import (
    CRYPTO_SUITES,
    DIRECTIONS,
    FEC_CODECS,
    PROTOCOLS,
    CryptoAttribute,
    CryptoKey,
    ExtensionLine,
    MediaDescription,
    SessionDescription,
    h264_fmtp,
    h264_parameter_sets,
    parse,
)

SPS = bytes.fromhex("67 64 00 1f ac d9 40 50 05 bb 01 10 00 00 03 00 10 00 00 03 03 20 f1 83 19 60")
PPS = bytes.fromhex("68 eb e3 cb 22 c0")
KEY = bytes(range(200, 230))


def opus(**values: object) -> MediaDescription:
    return MediaDescription(**{"kind": "audio", "port": 5004, "payload_type": 111, "codec": "opus",
                               "clock_rate": 48_000, "channels": 2, **values})  # type: ignore[arg-type]


def test_sdp_text_is_what_the_rfcs_write() -> None:
    video = MediaDescription(
        "video", 5006, 97, "h264", 90_000, fmtp=h264_fmtp(b"\0\0\0\1" + SPS + b"\0\0\1" + PPS),
        rtcp_fb=("nack", "nack pli", "ccm fir"),
        crypto=(CryptoAttribute(1, "AES_CM_128_HMAC_SHA1_80", (CryptoKey(KEY),)),),
        ssrc=0x12345678, cname="me@here", rtcp_mux=True, direction="sendonly", rtx_payload_type=98)
    text = SessionDescription((opus(fmtp={"useinbandfec": "1", "stereo": "0"}, ptime_ms=20), video),
                              address="10.1.2.3", name="call", session_id=7, version=2).to_text()
    sprop = base64.b64encode(SPS).decode() + "," + base64.b64encode(PPS).decode()
    assert text.split("\r\n") == [
        "v=0", "o=- 7 2 IN IP4 10.1.2.3", "s=call", "c=IN IP4 10.1.2.3", "t=0 0",
        "m=audio 5004 RTP/AVP 111", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 useinbandfec=1; stereo=0",
        "a=ptime:20", "a=sendrecv",
        "m=video 5006 RTP/SAVPF 97 98", "a=rtpmap:97 H264/90000",
        f"a=fmtp:97 packetization-mode=1; profile-level-id=64001f; sprop-parameter-sets={sprop}",
        "a=rtpmap:98 rtx/90000", "a=fmtp:98 apt=97", "a=rtcp-fb:97 nack", "a=rtcp-fb:97 nack pli",
        "a=rtcp-fb:97 ccm fir", "a=rtcp-mux", "a=ssrc:305419896 cname:me@here",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(KEY).decode(), "a=sendonly", ""]
    assert h264_parameter_sets(parse(text).media[1].fmtp) == b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS


_word = st.text("abcXYZ019-_.", min_size=1, max_size=12)
_value = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters=";="),
                 min_size=0, max_size=12)
_address = st.sampled_from(["10.0.0.1", "::1", "2001:db8::5", "media.example.org"])
_feedback = st.lists(st.sampled_from(["nack", "nack pli", "ccm fir", "transport-cc"]), unique=True)
_crypto = st.sampled_from(sorted(CRYPTO_SUITES)).flatmap(lambda suite: st.builds(
    CryptoAttribute, st.integers(1, 999_999_999), st.just(suite), st.tuples(st.builds(
        CryptoKey, st.binary(min_size=sum(CRYPTO_SUITES[suite]), max_size=sum(CRYPTO_SUITES[suite])),
        st.none() | st.integers(1, 2**48)))))
_extension = st.builds(ExtensionLine, st.integers(1, 255), st.sampled_from(["urn:x:y", "http://a.example/b#c"]),
                       st.none() | st.sampled_from(DIRECTIONS), st.sampled_from(["", "short", "25@600/24 x=y"]))


@st.composite
def media(draw: st.DrawFn) -> MediaDescription:
    codec = draw(st.sampled_from(["opus", "h264", "vp8", "g722", "telephone-event"]) | _word)
    is_opus = codec.lower() == "opus"
    ssrc = draw(st.none() | st.integers(0, 2**32 - 1))
    pt, rtx, red, fec = draw(st.lists(st.integers(0, 127), min_size=4, max_size=4, unique=True))
    parity: dict[str, object] = {}
    if draw(st.booleans()):
        parity = {"fec_payload_type": fec, "fec_codec": draw(st.sampled_from(FEC_CODECS))}
        if parity["fec_codec"] == "flexfec":
            parity["repair_window_us"] = draw(st.integers(1, 10**9))
        if ssrc is not None:
            parity["fec_ssrc"] = draw(st.none() | st.integers(1, 2**32 - 1).filter(lambda other: other != ssrc))
    return MediaDescription(
        kind=draw(st.sampled_from(["audio", "video"])), port=draw(st.integers(0, 65535)), payload_type=pt,
        codec=codec, clock_rate=48_000 if is_opus else draw(st.integers(1, 10**9)),
        channels=2 if is_opus else draw(st.integers(1, 255)),
        fmtp=draw(st.dictionaries(_word, _value, max_size=4)), rtcp_fb=tuple(draw(_feedback)),
        crypto=tuple(draw(st.lists(_crypto, max_size=3, unique_by=lambda c: c.tag))),
        ssrc=ssrc, rtcp_mux=draw(st.booleans()),
        direction=draw(st.sampled_from(DIRECTIONS)), cname=None if ssrc is None else draw(st.none() | _word),
        rtcp_port=draw(st.none() | st.integers(1, 65535)), address=draw(st.none() | _address),
        rtx_payload_type=draw(st.none() | st.just(rtx)), red_payload_type=draw(st.none() | st.just(red)),
        ptime_ms=draw(st.none() | st.integers(1, 1000)),
        protocol=draw(st.none() | st.sampled_from(PROTOCOLS)),
        extmap=tuple(draw(st.lists(_extension, max_size=3, unique_by=lambda e: e.ident))),
        extmap_allow_mixed=draw(st.booleans()), **parity)  # type: ignore[arg-type]


@given(st.builds(SessionDescription, st.lists(media(), max_size=4), _address,
                 st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20),
                 st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.none() | _address))
@settings(max_examples=300, deadline=None)
def test_sdp_parse_gives_back_what_was_written(session: SessionDescription) -> None:
    again = parse(session.to_text())
    assert again.to_text() == session.to_text()
    assert [m.profile for m in again.media] == [m.profile for m in session.media]
    assert parse(session.to_text().replace("\r\n", "\n")) == again
    for one, two in zip(again.media, session.media, strict=True):
        assert one.crypto == two.crypto
        assert one.fmtp == dict(two.fmtp)
        assert one.control_port == two.control_port


@given(st.text(max_size=300))
@settings(deadline=None)
def test_sdp_parse_of_any_text_is_a_parse_error(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


GOOD = SessionDescription((opus(crypto=(CryptoAttribute(1, "AEAD_AES_128_GCM", (CryptoKey(KEY[:28], 2**31),)),), ssrc=5,
                                rtcp_fb=("nack",), rtcp_port=5),)).to_text()


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_sdp_parse_of_damaged_text_is_good_or_a_parse_error(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD)))
    cut = data.draw(st.integers(0, 8))
    text = GOOD[:at] + data.draw(st.text(max_size=4)) + GOOD[at + cut:]
    message = ""
    try:
        session = parse(text)
    except ParseError as error:
        message = str(error)
    else:
        assert parse(session.to_text()).to_text() == session.to_text()
    assert base64.b64encode(KEY[:28]).decode()[:20] not in message


def test_sdp_parses_the_example_of_rfc_4568() -> None:
    """Section 7.1.5 with one line more: the suite F8 is not known here and passed over."""
    text = """v=0
o=sam 2890844526 2890842807 IN IP4 10.47.16.5
s=SRTP Discussion
i=A discussion of Secure RTP
u=http://www.example.com/seminars/srtp.pdf
e=marge@example.com (Marge Simpson)
c=IN IP4 168.2.17.12
t=2873397496 2873404696
m=audio 49170 RTP/SAVP 0
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4
a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20
a=crypto:3 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20
"""
    session = parse(text)
    assert (session.address, session.origin, session.session_id) == ("168.2.17.12", "10.47.16.5", 2890844526)
    audio = session.media[0]
    assert (audio.codec, audio.clock_rate, audio.channels) == ("pcmu", 8000, 1)
    assert [c.tag for c in audio.crypto] == [1, 2]
    assert audio.crypto[0].keys == (CryptoKey(
        base64.b64decode("WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"), 2**20, b"\0\0\0\1"),)
    assert audio.crypto[1].keys == (CryptoKey(
        base64.b64decode("NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj"), 2**20),)


def test_sdp_parses_what_a_browser_would_write_for_plain_rtp() -> None:
    text = "\r\n".join([
        "v=0", "o=- 8434668237120173219 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
        "a=recvonly",
        "m=audio 9 RTP/SAVPF 111 63 0", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc", "a=fmtp:111 minptime=10;useinbandfec=1", "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=sctp-port:5000",
        "m=video 9 RTP/SAVPF 96 97 102", "c=IN IP4 224.2.1.1/127", "a=sendrecv", "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 goog-remb", "a=rtcp-fb:* nack", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:102 ccm fir", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=rtpmap:102 H264/90000",
        "a=ssrc-group:FID 1111 2222", "a=ssrc:1111 cname:abc", "a=ssrc:1111 msid:x y",
        "a=ssrc:2222 cname:abc", ""])
    audio, video = parse(text).media
    assert (audio.codec, audio.direction, audio.address) == ("opus", "recvonly", "0.0.0.0")
    assert audio.rtcp_mux
    assert audio.fmtp == {"minptime": "10", "useinbandfec": "1"}
    assert audio.rtx_payload_type is None
    assert (video.codec, video.rtx_payload_type, video.ssrc, video.cname) == ("vp8", 97, 1111, "abc")
    assert video.rtcp_fb == ("goog-remb", "nack", "nack pli")
    assert (video.address, video.direction) == ("224.2.1.1", "sendrecv")
    assert video.protocol == "RTP/SAVPF"  # told, for it has no key here


@pytest.mark.parametrize(("change", "message"), [
    (("v=0", "v=1"), "starts with v=0"),
    (("o=- 0 0 IN", "o=- 0 0"), "o= has not six parts"),
    (("o=- 0", "o=- x"), "session id"),
    (("s=-\r\n", ""), "o= and s= are needed"),
    (("c=IN IP4 127.0.0.1\r\n", ""), "c= is missing"),
    (("c=IN IP4 127.0.0.1", "c=IN IP4"), "c= is not IN"),
    (("c=IN IP4 127.0.0.1", "c=IN IP4 1_2"), "address="),
    (("m=audio 5004 RTP/SAVPF 111", "m=audio 5004 RTP/SAVPF"), "m= needs"),
    (("m=audio 5004", "m=audio 70000"), "m= port"),
    (("m=audio 5004", "m=audio 5_4"), "m= port"),
    (("SAVPF 111", "SAVPF 128"), "payload type"),
    (("SAVPF 111", "SAVPF 112"), "112 has no rtpmap"),
    (("opus/48000/2", "opus"), "rtpmap"),
    (("opus/48000/2", "opus/48000/1"), "Opus is always"),
    (("opus/48000/2", "op us/48000/2"), "codec"),
    (("a=rtcp:5", "a=rtcp:x"), "a=rtcp port"),
    (("a=ssrc:5", "a=ssrc:4294967296"), "a=ssrc"),
    (("a=crypto:1", "a=crypto:0"), "a=crypto: tag"),
    (("inline:", "outline:"), "inline"),
    (("inline:", "inline:*"), "not base64"),
    (("inline:", "inline:AAAA"), "is 28 bytes, not 31"),
    (("|2^31", "|3^4"), "lifetime"),
    (("|2^31", "|2^49"), "lifetime"),
    (("a=sendrecv", "a=sendrecv\r\nnonsense"), "line 13"),
    (("a=sendrecv", "a=send\x00recv"), "line 12"),
])
def test_sdp_parse_says_what_is_wrong(change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ParseError, match=message):
        parse(GOOD.replace(*change, 1))


def test_sdp_parse_bounds_its_input() -> None:
    with pytest.raises(ParseError, match="65536 are allowed"):
        parse(GOOD + "a=x\r\n" * 20_000)


def test_sdp_keys_are_never_shown() -> None:
    session = parse(GOOD)
    shown = repr(session) + str(session) + repr(session.media[0].crypto)
    for secret in (repr(KEY[:28]), KEY[:28].hex(), base64.b64encode(KEY[:28]).decode()):
        assert secret[5:25] not in shown


def test_sdp_a_crypto_line_that_cannot_be_used_is_passed_over_while_one_is_left() -> None:
    line = next(text for text in GOOD.split("\r\n") if text.startswith("a=crypto:")) + "\r\n"
    for bad in ("a=crypto:0 x y", "a=crypto:2 F8_128_HMAC_SHA1_80 inline:x", line.replace(":1 ", ":3 ").strip() + " X"):
        media = parse(GOOD.replace(line, f"{bad}\r\n{line}")).media[0]
        assert [c.tag for c in media.crypto] == [1]
    with pytest.raises(ParseError, match="tag 1 stands there twice"):
        parse(GOOD.replace(line, line + line))  # which of the two is meant cannot be told
    assert parse(GOOD.replace(line, "a=crypto:2 F8_128_HMAC_SHA1_80 inline:x\r\n")).media[0].crypto == ()


def test_sdp_extensions_of_a_section_or_else_of_the_session() -> None:
    shared = GOOD.replace("m=audio", "a=extmap:1 urn:x:y\r\na=extmap-allow-mixed\r\nm=audio")
    assert parse(shared).media[0].extmap == (ExtensionLine(1, "urn:x:y"),)
    assert parse(shared).media[0].extmap_allow_mixed
    own = parse(shared + "a=extmap:2/sendonly urn:x:z a b\r\n").media[0]
    assert own.extmap == (ExtensionLine(2, "urn:x:z", "sendonly", "a b"),)
    assert not parse(GOOD).media[0].extmap_allow_mixed
    with pytest.raises(ParseError, match="one identifier to two"):
        parse(GOOD + "a=extmap:2 urn:x:z\r\na=extmap:2 urn:x:y\r\n")
    offered = parse(GOOD + "a=extmap:4096 urn:x:z\r\na=extmap:4096 urn:x:y\r\n").media[0]
    assert [m.uri for m in offered.extmap] == ["urn:x:z", "urn:x:y"]  # alternatives: RFC 8285 section 7


def test_sdp_encrypted_extensions_are_for_srtp_only() -> None:
    """The example of RFC 6904 section 4; on plain RTP they are ignored, and cannot be written."""
    lines = ("a=extmap:1 urn:ietf:params:rtp-hdrext:encrypt urn:ietf:params:rtp-hdrext:smpte-tc 25@600/24\r\n"
             "a=extmap:2 urn:ietf:params:rtp-hdrext:toffset\r\n")
    media = parse(GOOD + lines).media[0]
    toffset = ExtensionLine(2, "urn:ietf:params:rtp-hdrext:toffset")
    assert media.extmap == (ExtensionLine(1, "urn:ietf:params:rtp-hdrext:smpte-tc", attributes="25@600/24",
                                         encrypted=True), toffset)
    assert media.encrypted_extensions == {1}
    assert ExtensionMap(media.extension_uris).id_of("urn:ietf:params:rtp-hdrext:toffset") == 2
    assert parse(GOOD + lines.replace("extmap:1", "extmap:1/inactive")).media[0].encrypted_extensions == set()
    assert lines in SessionDescription((media,)).to_text()
    assert parse(GOOD.replace("RTP/SAVPF", "RTP/AVPF") + lines).media[0].extmap == (toffset,)
    with pytest.raises(ConfigError, match="extmap has an encrypted extension"):
        opus(extmap=(ExtensionLine(1, "urn:x:y", encrypted=True),))


@pytest.mark.parametrize("values", [
    {"kind": "text"}, {"port": -1}, {"port": 65536}, {"payload_type": 128}, {"codec": ""}, {"codec": "a b"},
    {"codec": "a\r\nb"}, {"clock_rate": 8000}, {"channels": 1}, {"fmtp": {"a b": "1"}},
    {"fmtp": {"a": "1;2"}},
    {"fmtp": {"a": "x\r\na=y"}}, {"rtcp_fb": ("nack\n",)}, {"crypto": ("key",)}, {"ssrc": 2**32},
    {"cname": "x"}, {"cname": "a b", "ssrc": 1}, {"rtcp_port": 0}, {"address": "1.2.3.4 x"},
    {"rtx_payload_type": 111}, {"red_payload_type": 111}, {"red_payload_type": 128}, {"fec_payload_type": 111},
    {"fec_payload_type": 128}, {"fec_codec": "red"}, {"fec_ssrc": 5, "ssrc": 4},
    {"fec_ssrc": 5, "ssrc": 5, "fec_payload_type": 100}, {"repair_window_us": 0}, {"ptime_ms": 0},
    {"direction": "up"}, {"protocol": "UDP"}, {"rtcp_mux": 1},
    {"crypto": (CryptoAttribute(1, "AEAD_AES_128_GCM", (CryptoKey(KEY[:28]),)),) * 2}, {"extmap": ("x",)},
    {"extmap": (ExtensionLine(1, "urn:x:y"), ExtensionLine(1, "urn:x:z"))}, {"extmap_allow_mixed": 1},
], ids=str)
def test_sdp_media_refuses_what_would_not_be_a_description(values: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        opus(**values)


@pytest.mark.parametrize("values", [
    {"media": (3,)}, {"address": "a\nb"}, {"origin": ""}, {"name": ""}, {"name": "x\r\na=y"},
    {"session_id": -1}, {"version": 2**64},
], ids=str)
def test_sdp_session_refuses_what_would_not_be_a_description(values: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        SessionDescription(**{"media": (), **values})


def test_sdp_parity_as_rfc8627_section_7_writes_it() -> None:
    head = "v=0\r\no=mo 1122334455 1122334466 IN IP4 fec.example.com\r\ns=FlexFEC\r\nt=0 0\r\n"
    in_band = parse(head + "m=video 30000 RTP/AVP 96 98\r\nc=IN IP4 233.252.0.1/127\r\na=rtpmap:96 VP8/90000\r\n"
                    "a=rtpmap:98 flexfec/90000\r\na=fmtp:98; repair-window=150000\r\n").media[0]
    assert (in_band.fec_payload_type, in_band.fec_codec, in_band.repair_window_us) == (98, "flexfec", 150_000)
    assert in_band.fec_ssrc is None
    explicit = parse(head + "m=video 30000 RTP/AVP 100 110\r\nc=IN IP4 192.0.2.0/24\r\na=rtpmap:100 MP2T/90000\r\n"
                     "a=rtpmap:110 flexfec/90000\r\na=fmtp:110 repair-window=200000\r\na=ssrc:2345\r\n"
                     "a=ssrc:1234\r\na=ssrc-group:FEC-FR 1234 2345\r\n").media[0]
    assert (explicit.ssrc, explicit.fec_ssrc) == (1234, 2345)
    lines = SessionDescription((explicit,)).to_text()
    assert "m=video 30000 RTP/AVP 100 110\r\n" in lines
    assert "a=ssrc:1234\r\na=ssrc:2345\r\na=ssrc-group:FEC-FR 1234 2345\r\n" in lines
    ulpfec = parse(head + "m=video 30000 RTP/AVP 96 97\r\nc=IN IP4 192.0.2.1\r\na=rtpmap:96 H264/90000\r\n"
                   "a=rtpmap:97 ulpfec/90000\r\n").media[0]
    assert (ulpfec.fec_payload_type, ulpfec.fec_codec) == (97, "ulpfec")


def test_sdp_control_port() -> None:
    assert opus().control_port == 5005
    assert opus(rtcp_port=7).control_port == 7
    assert opus(rtcp_port=7, rtcp_mux=True).control_port == 5004
    assert opus(port=0).control_port == 0


def test_h264_fmtp_needs_both_parameter_sets() -> None:
    for data in (b"", SPS + PPS, b"\0\0\1" + SPS, b"\0\0\1" + PPS, b"\0\0\1\x67\x64"):
        with pytest.raises(ParseError, match="no SPS and PPS"):
            h264_fmtp(data)
    with pytest.raises(ConfigError, match="packetization_mode"):
        h264_fmtp(b"", packetization_mode=2)
    stream = b"\0\0\0\1\x09\xf0\0\0\0\1" + SPS + b"\0\0\0\1" + PPS + b"\0\0\1\x65\x88\x84"
    fmtp = h264_fmtp(stream, packetization_mode=0)
    assert h264_parameter_sets(fmtp) == b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS
    assert h264_parameter_sets({}) == b""
    with pytest.raises(ParseError, match="not base64"):
        h264_parameter_sets({"sprop-parameter-sets": "Z0*"})


def test_sdp_redundancy_as_browsers_write_it() -> None:
    text = MediaDescription(kind="audio", port=9, payload_type=111, codec="opus", clock_rate=48_000, channels=2,
                            red_payload_type=63, rtx_payload_type=98)
    lines = SessionDescription((text,)).to_text().split("\r\n")
    assert "m=audio 9 RTP/AVP 111 63 98" in lines
    assert lines[lines.index("a=rtpmap:63 red/48000/2") + 1] == "a=fmtp:63 111/111"
    assert "a=fmtp:98 apt=63" in lines
    offer = ("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 1.2.3.4\nt=0 0\nm=audio 9 RTP/AVP 111 63 9 8\n"
             "a=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:63 RED/48000/2\n"
             "a=fmtp:63 {}\n")
    assert SessionDescription.parse(offer.format("111/111")).media[0].red_payload_type == 63
    assert SessionDescription.parse(offer.format("9/9")).media[0].red_payload_type is None
