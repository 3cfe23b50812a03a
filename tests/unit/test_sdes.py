"""arcrtc.sdes: RFC 4568's examples, a plain model, refusals, offer and answer, keys that stay secret."""
from __future__ import annotations

import base64
import traceback
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arcrtc.errors import ArcError, ConfigError, NegotiationError, ParseError, UnsupportedError
from arcrtc.sdes import (
    CRYPTO_SUITES,
    SUITE_PROFILES,
    CryptoAttribute,
    CryptoKey,
    CryptoPolicy,
    SessionParameters,
    check_answer,
    choose,
    make_answer,
    make_offer,
    parse_lines,
)
from arcrtc.srtp import SrtpConfig, SrtpPipeline, SrtpProfile
from tests.model import sdes_model as model

CM = "AES_CM_128_HMAC_SHA1_80"
KEY = bytes(range(200, 230))
TEXT = base64.b64encode(KEY).decode()
OTHER = base64.b64encode(bytes(30)).decode()


def cm(tag: int = 1, *, lifetime: int | None = None, mki: bytes = b"", **parameters: object) -> CryptoAttribute:
    return CryptoAttribute(tag, CM, (CryptoKey(KEY, lifetime, mki),), SessionParameters(**parameters))


# --- the text ---

@pytest.mark.parametrize(("text", "keys"), [
    # sections 4, 4.5, 6.1 and 7.1.5
    (f"1 {CM} inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32", [(2**20, 1, 32)]),
    (f"1 {CM} inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32", [(2**20, 1, 32)]),
    (f"1 {CM} inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4", [(2**20, 1, 4)]),
    (f"1 {CM} inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4", [(None, 1066, 4)]),
    ("1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32", [(2**20, 1, 32)]),
    (f"1 {CM} inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP", [(2**20, 1, 4)]),
    # its two keys of F8, under a suite that is known here, with the line end as it is printed
    (f"2 {CM} inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4; "
     "inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP", [(2**20, 1, 4), (2**20, 2, 4)]),
])
def test_sdes_reads_and_writes_the_examples_of_the_rfc(text: str, keys: list[tuple[int | None, int, int]]) -> None:
    found = CryptoAttribute.parse(text)
    assert found.to_text() == text.replace("; ", ";")
    assert [(k.lifetime_pkts, int.from_bytes(k.mki, "big"), len(k.mki)) for k in found.keys] == keys
    assert found.keys[0].key_salt == base64.b64decode(text.split("inline:")[1][:40])
    assert found.parameters.fec_order == ("FEC_SRTP" if "FEC" in text else None)


def test_sdes_f8_of_the_example_is_not_ours() -> None:
    with pytest.raises(UnsupportedError, match="suite of tag 2"):
        CryptoAttribute.parse("2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4")


def test_sdes_capital_and_small_letters_are_the_same_but_in_keys() -> None:
    text = f"1 {CM} inline:{TEXT}|2^20 KDR=3 UNENCRYPTED_SRTCP FEC_ORDER=SRTP_FEC WSH=128"
    small = text.lower().replace(TEXT.lower(), TEXT)
    assert CryptoAttribute.parse(small) == CryptoAttribute.parse(text)
    assert CryptoAttribute.parse(small).to_text() == text
    assert CryptoAttribute.parse(text.replace(TEXT, TEXT.swapcase())) != CryptoAttribute.parse(text)


def test_sdes_writes_all_parameters_in_the_order_of_the_rfc() -> None:
    line = cm(999_999_999, lifetime=1000, mki=b"\0\xff", kdr=24, unencrypted_srtp=True, unencrypted_srtcp=True,
              unauthenticated_srtp=True, fec_order="SRTP_FEC", fec_keys=(CryptoKey(bytes(30)),), wsh=64,
              optional=("-new=1",))
    assert line.to_text() == (
        f"999999999 {CM} inline:{TEXT}|1000|255:2 KDR=24 UNENCRYPTED_SRTP UNENCRYPTED_SRTCP "
        f"UNAUTHENTICATED_SRTP FEC_ORDER=SRTP_FEC FEC_KEY=inline:{OTHER} WSH=64 -new=1")
    assert CryptoAttribute.parse(line.to_text()) == line
    assert cm(lifetime=1).to_text().endswith("|1")
    assert cm(lifetime=2**48).to_text().endswith("|2^48")


GOOD = f"1 {CM} inline:{TEXT}|2^20|1:4"


@pytest.mark.parametrize("text", [
    "", "1", f"1 {CM}", f"0 {CM} inline:{TEXT}", f"01 {CM} inline:{TEXT}", f"-1 {CM} inline:{TEXT}",
    f"+1 {CM} inline:{TEXT}", f"1000000000 {CM} inline:{TEXT}", f"x {CM} inline:{TEXT}", f"\u0661 {CM} inline:{TEXT}",
    f"1_0 {CM} inline:{TEXT}", f"1\u00a0{CM} inline:{TEXT}", f"1\n{CM} inline:{TEXT}",
    f"1 AES-CM inline:{TEXT}", f"1 {CM} outline:{TEXT}", f"1 {CM} {TEXT}", f"1 {CM} inline:", f"1 {CM} inline:*",
    f"1 {CM} inline:{TEXT[:-4]}", f"1 {CM} inline:{TEXT}AAAA", f"1 {CM} inline:{TEXT[:-1]}", f"1 {CM} inline:={TEXT}",
    f"1 {CM} inline:{TEXT}===", f"1 AEAD_AES_128_GCM inline:{TEXT}", f"1 {CM} inline:{TEXT[:-1]}\u00e9",
    f"{GOOD}|1", f"{GOOD}|1:4", f"1 {CM} inline:{TEXT}|1:4|2^20", f"1 {CM} inline:{TEXT}|", f"1 {CM} inline:{TEXT}||",
    f"1 {CM} inline:{TEXT}|0", f"1 {CM} inline:{TEXT}|01", f"1 {CM} inline:{TEXT}|-1",
    f"1 {CM} inline:{TEXT}|281474976710657",
    f"1 {CM} inline:{TEXT}|2^49", f"1 {CM} inline:{TEXT}|2^048", f"1 {CM} inline:{TEXT}|2^",
    f"1 {CM} inline:{TEXT}|3^4",
    f"1 {CM} inline:{TEXT}|2^{'9' * 5000}", f"1 {CM} inline:{TEXT}|{'9' * 5000}",
    f"1 {CM} inline:{TEXT}|0:4", f"1 {CM} inline:{TEXT}|01:4", f"1 {CM} inline:{TEXT}|1:0",
    f"1 {CM} inline:{TEXT}|1:129",
    f"1 {CM} inline:{TEXT}|1:04", f"1 {CM} inline:{TEXT}|256:1", f"1 {CM} inline:{TEXT}|1:", f"1 {CM} inline:{TEXT}|:4",
    f"1 {CM} inline:{TEXT}|1:4:4", f"1 {CM} inline:{TEXT}|{256**128}:128",
    f"1 {CM} inline:{TEXT};inline:{OTHER}", f"1 {CM} inline:{TEXT}|1:4;inline:{OTHER}",
    f"1 {CM} inline:{TEXT}|1:4;inline:{OTHER}|2:3", f"1 {CM} inline:{TEXT}|1:4;inline:{OTHER}|1:4",
    f"1 {CM} inline:{TEXT}|1:4;inline:{TEXT}|2:4", f"{GOOD};", f"1 {CM} ;inline:{TEXT}",
    f"{GOOD} KDR=0", f"{GOOD} KDR=25", f"{GOOD} KDR=01", f"{GOOD} KDR=", f"{GOOD} KDR", f"{GOOD} KDR=1 kdr=1",
    f"{GOOD} WSH=63", f"{GOOD} WSH=064", f"{GOOD} WSH=x", f"{GOOD} WSH=2147483648", f"{GOOD} FEC_ORDER=SRTP",
    f"{GOOD} FEC_KEY=inline:{OTHER[:-4]}", f"{GOOD} FEC_KEY=inline:{TEXT}", f"{GOOD} FEC_KEY={OTHER}",
    f"{GOOD} --X", f"{GOOD} -", f"{GOOD} -\u00e9", f"{GOOD} UNENCRYPTED_SRTP UNENCRYPTED_SRTP",
])
def test_sdes_refuses_what_is_not_valid_without_showing_the_key(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        CryptoAttribute.parse(text)
    shown = "".join(traceback.format_exception_only(caught.value))
    assert TEXT[:12] not in shown
    assert len(shown) < 300
    with pytest.raises(model.Invalid):
        model.read(text)


@pytest.mark.parametrize("word", ["NEW", "NEW=1", "UNENCRYPTED_SRTP=1", "UNENCRYPTED", "K-DR=1", "=1"])
def test_sdes_refuses_an_unknown_parameter_that_is_mandatory(word: str) -> None:
    with pytest.raises(UnsupportedError, match="must not be ignored"):
        CryptoAttribute.parse(f"{GOOD} {word}")
    assert CryptoAttribute.parse(f"{GOOD} -{word}").parameters.optional == (f"-{word}",)


def _keys(n: int) -> st.SearchStrategy[str]:
    text = st.binary(min_size=n, max_size=n).map(lambda b: base64.b64encode(b).decode())
    life = st.just("") | st.integers(0, 50).map(lambda e: f"|2^{e}") | st.integers(0, 2**49).map(lambda i: f"|{i}")
    mki = st.just("") | st.builds("|{}:{}".format, st.sampled_from([0, 1, 255, 256, 70000]), st.integers(0, 4))
    one = st.builds("{}{}{}{}".format, st.sampled_from(["inline:", "INLINE:"]), text, life, mki)
    return st.lists(one, min_size=1, max_size=3).map(";".join)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Mostly valid; then a few characters changed, in one of four."""
    suite = draw(st.sampled_from(sorted(model.SUITE_BYTES)))
    keys = _keys(model.SUITE_BYTES[suite])
    word = (st.sampled_from(["UNENCRYPTED_SRTP", "Unencrypted_Srtcp", "UNAUTHENTICATED_SRTP", "FEC_ORDER=FEC_SRTP",
                             "fec_order=srtp_fec", "-x", "-X=a;b", "NEW"])
            | st.integers(0, 26).map(lambda i: f"KDR={i}") | st.integers(60, 70).map(lambda i: f"WSH={i}")
            | keys.map(lambda k: f"FEC_KEY={k}"))
    words = draw(st.lists(word, max_size=3))
    gap = draw(st.sampled_from([" ", "\t", "  "]))
    name = draw(st.sampled_from([suite, suite.lower()]))
    text = gap.join([str(draw(st.integers(0, 10**9))), name, draw(keys), *words])
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(text)))
        new = draw(st.text(st.characters(max_codepoint=0x2FF), max_size=2))
        text = text[:at] + new + text[at + draw(st.integers(0, 2)):]
    return text


@given(lines())
@example(f"1 {CM} inline:{TEXT}|2^20|1:4;\t inline:{OTHER}|2:4 KDR=1 -x")
@settings(max_examples=800, deadline=None)
def test_sdes_reads_as_the_plain_model_does(text: str) -> None:
    try:
        expected = model.read(text)
    except model.Invalid:
        # Where a line is both, which of the two is found first does not matter: it is not used.
        with pytest.raises((ParseError, UnsupportedError)):
            CryptoAttribute.parse(text)
        return
    except model.Unknown:
        with pytest.raises((ParseError, UnsupportedError)):
            CryptoAttribute.parse(text)
        return
    found = CryptoAttribute.parse(text)
    assert (found.tag, found.suite) == (expected.tag, expected.suite)
    assert [(k.key_salt, k.lifetime_pkts, k.mki) for k in found.keys] == expected.keys
    parameters, words = found.parameters, expected.words
    assert (parameters.kdr, parameters.wsh, parameters.fec_order) == tuple(
        words.get(w) for w in ("KDR", "WSH", "FEC_ORDER"))
    assert parameters.negotiated == tuple(
        w for w in ("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP") if w in words)
    assert [(k.key_salt, k.lifetime_pkts, k.mki) for k in parameters.fec_keys] == words.get("FEC_KEY", [])
    assert list(parameters.optional) == expected.optional
    assert CryptoAttribute.parse(found.to_text()) == found


@given(st.text(max_size=200))
@settings(deadline=None)
def test_sdes_any_text_is_refused_with_one_of_two_errors(text: str) -> None:
    with pytest.raises((ParseError, UnsupportedError)):
        CryptoAttribute.parse(text)


def test_sdes_lines_of_a_section_give_the_good_ones_and_the_reasons() -> None:
    good, faults = parse_lines([GOOD, "x", GOOD.replace("1", "3", 1), "4 F8_128_HMAC_SHA1_80 inline:x", f"5{GOOD[1:]}"])
    assert [a.tag for a in good] == [1, 3, 5]
    assert [type(f) for f in faults] == [ParseError, UnsupportedError]
    good, faults = parse_lines([GOOD, f"2{GOOD[1:]}", GOOD])  # RFC 4568 section 4.1: which of them, nobody knows
    assert [a.tag for a in good] == [2]
    assert [str(f) for f in faults] == ["a=crypto: the tag 1 stands there twice"]
    assert parse_lines([]) == ((), ())


# --- the objects ---

@pytest.mark.parametrize(("make", "name"), [
    (lambda: cm(0), "tag"), (lambda: cm(10**9), "tag"), (lambda: cm(True), "tag"),
    (lambda: CryptoAttribute(1, "F8", (CryptoKey(KEY),)), "suite"),
    (lambda: CryptoAttribute(1, CM, ()), "keys"), (lambda: CryptoAttribute(1, CM, (KEY,)), "keys"),
    (lambda: CryptoAttribute(1, CM, (CryptoKey(KEY[1:]),)), "keys must hold keys of 30 bytes"),
    (lambda: CryptoAttribute(1, CM, (CryptoKey(KEY), CryptoKey(bytes(30)))), "keys"),
    (lambda: CryptoAttribute(1, CM, (CryptoKey(KEY),), "KDR=1"), "parameters"),
    (lambda: cm(fec_keys=(CryptoKey(KEY),)), "fec_keys"), (lambda: cm(fec_keys=(CryptoKey(b"1"),)), "fec_keys"),
    (lambda: CryptoKey("key"), "key_salt"), (lambda: CryptoKey(KEY, 0), "lifetime_pkts"),
    (lambda: CryptoKey(KEY, 2**48 + 1), "lifetime_pkts"), (lambda: CryptoKey(KEY, mki=b"\0\0"), "mki"),
    (lambda: CryptoKey(KEY, mki=b"\1" * 129), "mki"), (lambda: CryptoKey(KEY, mki="1"), "mki"),
    (lambda: SessionParameters(kdr=0), "kdr"), (lambda: SessionParameters(kdr=25), "kdr"),
    (lambda: SessionParameters(wsh=63), "wsh"), (lambda: SessionParameters(fec_order="x"), "fec_order"),
    (lambda: SessionParameters(unencrypted_srtp=1), "unencrypted_srtp"),
    (lambda: SessionParameters(optional=("x",)), "optional"),
    (lambda: SessionParameters(optional=("-a b",)), "optional"),
    (lambda: SessionParameters(optional=("--a",)), "optional"),
    (lambda: CryptoPolicy(suites=()), "suites"), (lambda: CryptoPolicy(suites=(CM, CM)), "suites"),
    (lambda: CryptoPolicy(suites=("F8",)), "suites"), (lambda: CryptoPolicy(fec_orders=("x",)), "fec_orders"),
    (lambda: CryptoPolicy(max_keys=0), "max_keys"),
])
def test_sdes_objects_refuse_what_cannot_be_written(make: object, name: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        make()  # type: ignore[operator]
    assert repr(KEY)[2:20] not in str(caught.value)


def test_sdes_keys_are_never_shown() -> None:
    line = cm(fec_keys=(CryptoKey(bytes(range(30))),), optional=(f"-KEY={TEXT}",), mki=b"\7")
    shown = f"{line!r} {line} {line.keys!r} {line.parameters!r} {CryptoPolicy()!r}"
    for secret in (KEY, bytes(range(30))):
        for form in (repr(secret), secret.hex(), base64.b64encode(secret).decode()):
            assert form[4:20] not in shown
    assert "mki=b'\\x07'" in shown


def test_sdes_keys_compare_by_all_that_they_are() -> None:
    one = CryptoKey(KEY, 5, b"\1")
    assert one == CryptoKey(KEY, 5, b"\1")
    assert hash(one) == hash(CryptoKey(KEY, 5, b"\1"))
    for other in (CryptoKey(KEY[::-1], 5, b"\1"), CryptoKey(KEY, 6, b"\1"), CryptoKey(KEY, 5, b"\2"), KEY):
        assert one != other


# --- SrtpConfig ---

@pytest.mark.parametrize("suite", CRYPTO_SUITES)
def test_sdes_config_goes_there_and_back(suite: str) -> None:
    config = SrtpConfig.generate(SUITE_PROFILES[suite], mki=b"\1\2\3", limit_pkts=2**31, key_derivation_rate=2**10,
                                 window_pkts=1024)
    line = CryptoAttribute.parse(CryptoAttribute.from_config(config, tag=7).to_text())
    assert line.tag == 7
    assert line.suite == suite
    assert line.to_text().endswith("|2^31|66051:3 KDR=10 WSH=1024")
    assert line.to_config() == config
    assert line.to_config(ssrc=5, encrypted_extensions=[3], max_streams=2, window_pkts=64) == replace(
        config, ssrc=5, encrypted_extensions=frozenset({3}), max_streams=2, window_pkts=64)
    plain = SrtpConfig.generate(SUITE_PROFILES[suite])
    assert CryptoAttribute.from_config(plain).to_text().count(" ") == 2
    assert CryptoAttribute.from_config(plain).to_config() == plain


def test_sdes_what_a_line_says_is_what_the_pipeline_does() -> None:
    """Two packets and no more, with the MKI behind them."""
    line = cm(lifetime=2, mki=b"\0\0\0\x42")
    sender = SrtpPipeline(CryptoAttribute.parse(line.to_text()).to_config(ssrc=1))
    receiver = SrtpPipeline(line.to_config())
    packet = b"\x80\x60\0\1" + bytes(7) + b"\1" + b"speech"
    wires = [sender.encrypt(packet), sender.encrypt(packet.replace(b"\0\1", b"\0\2", 1))]
    assert wires[0][-14:-10] == b"\0\0\0\x42"  # before the tag: RFC 3711 section 3.1
    assert receiver.decrypt_bytes(wires[0]) == packet
    with pytest.raises(ArcError, match="limit"):
        sender.encrypt(packet.replace(b"\0\1", b"\0\3", 1))


def test_sdes_several_keys_are_all_accepted() -> None:
    first = SrtpConfig.generate(SrtpProfile.AES128_CM_HMAC_SHA1_80, mki=b"\1")
    second = first.with_new_key()
    line = CryptoAttribute.parse(CryptoAttribute.from_config(first, others=[second]).to_text())
    assert line.to_configs() == (first, second)
    receiver = SrtpPipeline(line.to_config())
    for config in line.to_configs()[1:]:
        receiver.add_key(config)
    for n, config in enumerate((first, second)):
        packet = b"\x80\x60\0" + bytes([n]) + bytes(7) + b"\1" + b"speech"
        assert receiver.decrypt_bytes(SrtpPipeline(config).encrypt(packet)) == packet


@pytest.mark.parametrize(("config", "message"), [
    (SrtpConfig(bytes(16), bytes([1] * 14)), "salt of 14 bytes"),
    (SrtpConfig(bytes(16), bytes(12), 1, 2), "roc=2"),
    (SrtpConfig(bytes(16), bytes(12), key_derivation_rate=1), "key_derivation_rate=1"),
    (SrtpConfig(bytes(16), bytes(12), mki=bytes(4)), "mki"),
])
def test_sdes_refuses_a_config_that_cannot_be_said(config: SrtpConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CryptoAttribute.from_config(config)


def test_sdes_other_keys_must_go_with_the_first() -> None:
    one = SrtpConfig.generate(mki=b"\1")
    for other in (SrtpConfig.generate(SrtpProfile.AEAD_AES_256_GCM, mki=b"\2"),
                  replace(one.with_new_key(), key_derivation_rate=2)):
        with pytest.raises(ConfigError, match="others must have the profile"):
            CryptoAttribute.from_config(one, others=[other])
    for other in (one.with_new_key(b"\1"), replace(one, mki=b"\2"), SrtpConfig.generate(),
                  SrtpConfig.generate(mki=b"\0\1")):
        with pytest.raises(ConfigError, match="keys"):
            CryptoAttribute.from_config(one, others=[other])


@pytest.mark.parametrize("flag", ["unencrypted_srtp", "unencrypted_srtcp", "unauthenticated_srtp"])
def test_sdes_never_becomes_a_pipeline_that_sends_in_clear(flag: str) -> None:
    line = CryptoAttribute.parse(cm(**{flag: True}).to_text())
    with pytest.raises(UnsupportedError, match=flag.upper()):
        line.to_config()
    with pytest.raises(NegotiationError, match=f"tag 1: {flag.upper()} is not allowed"):
        choose([line])
    assert choose([line], CryptoPolicy(**{f"allow_{flag}": True})) == line


def test_sdes_a_hint_for_the_window_is_kept_within_what_a_window_can_be() -> None:
    assert cm(wsh=2**31 - 1).to_config().window_pkts == 32768
    assert cm(wsh=64).to_config().window_pkts == 64


# --- offer and answer ---

def test_sdes_offer_and_answer_give_both_sides_the_same_keys() -> None:
    offer = make_offer(mki=b"\1", key_derivation_rate=2**8)
    assert [a.suite for a in offer] == list(SUITE_PROFILES)
    assert [a.tag for a in offer] == [1, 2, 3, 4, 5, 6]
    assert len({a.keys[0].key_salt for a in offer}) == 6
    heard, faults = parse_lines([a.to_text() for a in offer])
    assert heard == offer
    assert not faults
    policy = CryptoPolicy(suites=(CM, "AES_256_CM_HMAC_SHA1_80"))
    accepted = choose(heard, policy)
    assert accepted == offer[2]  # the first of the offer that the answerer can: not the order of its own
    answer = make_answer(accepted)
    assert (answer.tag, answer.suite) == (3, "AES_256_CM_HMAC_SHA1_80")
    assert answer.parameters == SessionParameters()  # KDR is of the offerer alone: it is not repeated
    ours = check_answer(offer, [CryptoAttribute.parse(answer.to_text())])
    assert ours == accepted
    packet = b"\x80\x60\0\1" + bytes(7) + b"\1" + b"speech"
    for sent, heard_as in ((ours, accepted), (answer, CryptoAttribute.parse(answer.to_text()))):
        wire = SrtpPipeline(sent.to_config()).encrypt(packet)
        assert SrtpPipeline(heard_as.to_config()).decrypt_bytes(wire) == packet


def test_sdes_example_of_offer_and_answer_in_the_rfc() -> None:
    """Section 7.1.5: the answer takes the first line; its MKI and lifetime are its own."""
    offer, _ = parse_lines([f"1 {CM} inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP",
                            "2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4; "
                            "inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP"])
    answer, _ = parse_lines([f"1 {CM} inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4"])
    assert choose(offer) == check_answer(offer, answer) == offer[0]


def test_sdes_answer_repeats_what_is_negotiated() -> None:
    allowed = CryptoPolicy(allow_unencrypted_srtcp=True)
    offer = [cm(kdr=3, unencrypted_srtcp=True, wsh=128, optional=("-x",))]
    answer = make_answer(choose(offer, allowed))
    assert answer.parameters == SessionParameters(unencrypted_srtcp=True)
    assert check_answer(offer, [answer], allowed) == offer[0]
    with pytest.raises(NegotiationError, match="UNENCRYPTED_SRTCP is not allowed"):
        check_answer(offer, [answer])
    with pytest.raises(NegotiationError, match="other parameters than tag 1 of the offer: none for UNENCRYPTED_SRTCP"):
        check_answer(offer, [replace(answer, parameters=SessionParameters())], allowed)


@pytest.mark.parametrize(("answer", "message"), [
    ([], "this one 0"),
    ([make_answer(cm()), make_answer(cm(2))], "this one 2"),
    ([make_answer(cm(2))], "tag 2, which was not offered"),
    ([replace(make_answer(cm()), suite="AES_CM_128_HMAC_SHA1_32")], f"was offered with {CM}, and answered with"),
    ([cm()], "a key of the offer"),
    ([make_answer(cm(unencrypted_srtp=True))], "other parameters than tag 1 of the offer: UNENCRYPTED_SRTP for none"),
    ([replace(make_answer(cm()), parameters=SessionParameters(fec_order="SRTP_FEC"))], "FEC_ORDER=SRTP_FEC is not"),
])
def test_sdes_offerer_refuses_an_answer_that_does_not_fit(answer: list[CryptoAttribute], message: str) -> None:
    with pytest.raises(NegotiationError, match=message):
        check_answer([cm()], answer)


@pytest.mark.parametrize(("line", "policy", "message"), [
    (cm(), CryptoPolicy(suites=("AEAD_AES_128_GCM",)), f"{CM} is not allowed"),
    (cm(kdr=1), CryptoPolicy(allow_kdr=False), "KDR is not allowed"),
    (cm(fec_order="SRTP_FEC"), CryptoPolicy(), "FEC_ORDER=SRTP_FEC is not allowed"),
    (cm(), CryptoPolicy(fec_orders=("SRTP_FEC",)), "FEC_ORDER=FEC_SRTP is not allowed"),
    (cm(fec_keys=(CryptoKey(bytes(30)),)), CryptoPolicy(), "FEC_KEY without a separate repair stream"),
    (CryptoAttribute(1, CM, (CryptoKey(KEY, mki=b"\1"), CryptoKey(bytes(30), mki=b"\2"))), CryptoPolicy(max_keys=1),
     "2 keys, 1 at most"),
    (CryptoAttribute(1, "AEAD_AES_128_GCM", (CryptoKey(KEY[2:]),), SessionParameters(unauthenticated_srtp=True)),
     CryptoPolicy(allow_unauthenticated_srtp=True), "cannot be without a tag"),
])
def test_sdes_policy_says_what_it_objects_to(line: CryptoAttribute, policy: CryptoPolicy, message: str) -> None:
    assert message in str(policy.objection(line))
    with pytest.raises(NegotiationError, match=message):
        choose([line], policy)


def test_sdes_takes_the_first_line_that_is_allowed() -> None:
    offer = [cm(1, fec_order="SRTP_FEC"), cm(2, unencrypted_srtp=True), cm(3), cm(4)]
    assert choose(offer).tag == 3
    assert choose(offer, CryptoPolicy(fec_orders=("FEC_SRTP", "SRTP_FEC"))).tag == 1


def test_sdes_separate_repair_stream_is_accepted_where_it_is_allowed() -> None:
    line = cm(fec_keys=(CryptoKey(bytes(30)),))
    assert choose([line], CryptoPolicy(separate_fec=True)) == line


def test_sdes_nothing_offered_is_not_a_call_in_clear() -> None:
    with pytest.raises(NegotiationError, match="there is none"):
        choose([])


def test_sdes_each_side_has_its_own_key() -> None:
    with pytest.raises(ConfigError, match="a key of the offer"):
        make_answer(cm(), cm().to_config())
    with pytest.raises(ConfigError, match="a key of the offer"):
        make_answer(cm(fec_keys=(CryptoKey(bytes(30)),)),
                    SrtpConfig(bytes(16), bytes(14), profile=SrtpProfile.AES128_CM_HMAC_SHA1_80))
    with pytest.raises(ConfigError, match="profile"):
        make_answer(cm(), SrtpConfig.generate())
