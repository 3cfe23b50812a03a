"""Published vectors: RFC 3711 Appendix B, RFC 6188 section 7, RFC 7714 sections 16 and 17."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from arcrtc._native import ffi, lib
from arcrtc.srtp import SrtpConfig, SrtpPipeline, SrtpProfile
from tests.model.srtp_plain import Aes, derive, gcm_tag

HERE = Path(__file__).parent
CM: Any = json.loads((HERE / "rfc3711_b_rfc6188_7.json").read_text())
GCM: list[dict[str, Any]] = json.loads((HERE / "rfc7714_16_17.json").read_text())["vectors"]
KEPT: Any = WeakKeyDictionary()  # what a struct points to
KEY_ID = [v["section"] for v in GCM]


def test_vec_files_are_complete() -> None:
    assert [len(v["blocks"]) for v in CM["keystream"]] == [6, 6]
    assert [len(v["derived"]) for v in CM["derivation"]] == [4, 4]
    assert [len(v["blocks"]) for v in CM["derivation"]] == [8, 5]
    assert len(GCM) == 12
    assert len(set(KEY_ID)) == 12


def keystream(key: bytes, iv: bytes, n: int) -> bytes:
    out = ffi.new("uint8_t[]", n)
    assert lib.arc_cipher_keystream(key, len(key), iv, out, n) == lib.ARC_OK
    return bytes(ffi.buffer(out))


def kdf_input(key: bytes, salt: bytes, r: int = 0) -> Any:
    lent = [ffi.from_buffer("uint8_t[]", data) for data in (key, salt)]
    given = ffi.new("struct arc_kdf_input *", {"key": lent[0], "key_len": len(key), "salt": lent[1], "r": r})
    KEPT[given] = lent
    return given


@pytest.mark.parametrize("vector", CM["keystream"], ids=lambda v: v["section"])
def test_vec_rfc3711_b2_rfc6188_71_keystream(vector: dict[str, Any]) -> None:
    """The whole segment of 65282 blocks in one call, so that the counter carries."""
    key, salt = bytes.fromhex(vector["key"]), bytes.fromhex(vector["session_salt"])
    stream = keystream(key, salt + b"\0\0", 1044512)
    plain = Aes(key)
    for counter, expected in vector["blocks"].items():
        at = 16 * int(counter, 16)
        assert stream[at:at + 16].hex() == expected
        assert plain.block(salt + bytes.fromhex(counter)).hex() == expected


@pytest.mark.parametrize("vector", CM["derivation"], ids=lambda v: v["section"])
def test_vec_rfc3711_b3_rfc6188_72_derivation(vector: dict[str, Any]) -> None:
    key, salt = bytes.fromhex(vector["key"]), bytes.fromhex(vector["salt"])
    for item in vector["derived"]:
        expected = bytes.fromhex(item["value"])
        out = ffi.new("uint8_t[]", len(expected))
        assert lib.arc_kdf_derive(kdf_input(key, salt), item["label"], out, len(expected)) == lib.ARC_OK
        assert bytes(ffi.buffer(out)) == expected, item["what"]
        assert derive(key, salt, item["label"], len(expected)) == expected
    for block in vector["blocks"]:
        expected = bytes.fromhex(block["output"])
        assert keystream(key, bytes.fromhex(block["input"]), len(expected)) == expected


def make_cipher(vector: dict[str, Any]) -> Any:
    key = bytes.fromhex(vector["key"])
    cfg = ffi.new("struct arc_cipher_config *", {
        "kind": lib.ARC_CIPHER_AES_GCM, "key_len": len(key), "tag_bytes": 16, "key": list(key)})
    out = ffi.new("struct arc_cipher **")
    assert lib.arc_cipher_new(cfg, out) == lib.ARC_OK
    return ffi.gc(out[0], lib.arc_cipher_free)


def make_job(vector: dict[str, Any], packet: bytes) -> tuple[Any, list[Any]]:
    """A job whose body is what the vector encrypts, and the buffers it borrows."""
    rtcp = vector["protocol"] == "rtcp"
    head = len(packet) if not vector["encrypted"] else 8 if rtcp else 12
    tail = bytes.fromhex(vector["aad"])[-4:] if rtcp else b""
    keep = [ffi.new("uint8_t[]", bytes.fromhex(vector["iv"])), ffi.new("uint8_t[]", list(packet)),
            ffi.new("uint8_t[]", tail or b"\0"), ffi.new("uint8_t[16]")]
    job = ffi.new("struct arc_cipher_job *", {
        "iv": keep[0], "data": keep[1], "head_len": head, "body_len": len(packet) - head,
        "tail": keep[2], "tail_len": len(tail), "tag": keep[3]})
    return job, keep


@pytest.mark.parametrize("vector", GCM, ids=KEY_ID)
def test_vec_rfc7714_16_17_cipher(vector: dict[str, Any]) -> None:
    """Transform alone: all twelve, also the tag-only ones that SRTP itself never sends."""
    plain, wire, tag = (bytes.fromhex(vector[k]) for k in ("plain", "wire", "tag"))
    protected = wire[:-20] if vector["protocol"] == "rtcp" else wire[:-16]
    cipher = make_cipher(vector)

    job, keep = make_job(vector, plain)
    assert lib.arc_cipher_seal(cipher, job) == lib.ARC_OK
    assert bytes(ffi.buffer(keep[1])) == protected
    assert bytes(ffi.buffer(keep[3])) == tag

    assert lib.arc_cipher_open(cipher, job) == lib.ARC_OK
    assert bytes(ffi.buffer(keep[1])) == plain

    job, keep = make_job(vector, protected)
    ffi.buffer(keep[3])[:] = bytes(16)
    assert lib.arc_cipher_open(cipher, job) == lib.ARC_ERR_AUTH
    assert bytes(ffi.buffer(keep[1])) == protected


@pytest.mark.parametrize("vector", GCM, ids=KEY_ID)
def test_vec_rfc7714_16_17_plain_model(vector: dict[str, Any]) -> None:
    """The plain model that the other tests compare with, against the same vectors."""
    aes, iv = Aes(bytes.fromhex(vector["key"])), bytes.fromhex(vector["iv"])
    wire = bytes.fromhex(vector["wire"])
    end = -20 if vector["protocol"] == "rtcp" else -16
    body = wire[8 if vector["protocol"] == "rtcp" else 12:end] if vector["encrypted"] else b""
    assert aes.block(bytes(16)).hex() == vector["hash_key"]
    assert aes.block(iv + b"\0\0\0\1").hex() == vector["first_key_block"]
    assert gcm_tag(aes, iv, bytes.fromhex(vector["aad"]), body).hex() == vector["tag"]


def make_srtp(vector: dict[str, Any]) -> Any:
    key, salt = bytes.fromhex(vector["key"]), bytes.fromhex(vector["salt"])
    cfg = ffi.new("struct arc_srtp_config *", {
        "profile": lib.ARC_SRTP_AEAD_AES_128_GCM if len(key) == 16 else lib.ARC_SRTP_AEAD_AES_256_GCM})
    keys = ffi.new("struct arc_srtp_session_keys *", {"enc_key": list(key), "salt": list(salt)})
    out = ffi.new("struct arc_srtp **")
    assert lib.arc_srtp_new_from_session(cfg, keys, keys, out) == lib.ARC_OK
    return ffi.gc(out[0], lib.arc_srtp_free)


SENT = [v for v in GCM if v["encrypted"]]
RECEIVED = [v for v in GCM if v["encrypted"] or v["protocol"] == "rtcp"]


@pytest.mark.parametrize("vector", SENT, ids=[v["section"] for v in SENT])
def test_vec_rfc7714_16_17_protect(vector: dict[str, Any]) -> None:
    """Whole packets, header to trailer."""
    assert len(SENT) == 6
    plain, wire = bytes.fromhex(vector["plain"]), bytes.fromhex(vector["wire"])
    srtp, n = make_srtp(vector), ffi.new("size_t *")
    data = ffi.new("uint8_t[]", plain + bytes(32))
    if vector["protocol"] == "rtp":
        assert lib.arc_srtp_protect(srtp, data, len(plain), len(data), n) == lib.ARC_OK
    else:
        assert lib.arc_srtp_set_rtcp_index(srtp, 0x4D617273, 0x5D4) == lib.ARC_OK
        assert lib.arc_srtp_protect_rtcp(srtp, data, len(plain), len(data), n) == lib.ARC_OK
    assert bytes(ffi.buffer(data, n[0])) == wire


@pytest.mark.parametrize("vector", RECEIVED, ids=[v["section"] for v in RECEIVED])
def test_vec_rfc7714_16_17_unprotect(vector: dict[str, Any]) -> None:
    """Whole packets, SRTCP also with E = 0; SRTP itself has no tag-only packets."""
    assert len(RECEIVED) == 8
    plain, wire = bytes.fromhex(vector["plain"]), bytes.fromhex(vector["wire"])
    srtp, n, data = make_srtp(vector), ffi.new("size_t *"), ffi.new("uint8_t[]", wire)
    unprotect = lib.arc_srtp_unprotect if vector["protocol"] == "rtp" else lib.arc_srtp_unprotect_rtcp
    assert unprotect(srtp, data, len(wire), n) == lib.ARC_OK
    assert bytes(ffi.buffer(data, n[0])) == plain
    data = ffi.new("uint8_t[]", wire)
    assert unprotect(srtp, data, len(wire), n) == lib.ARC_ERR_REPLAY


# RFC 6904 appendix A: the master key and salt are those of RFC 3711 B.3.
HDR_KEY, HDR_SALT = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139"), bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")


@pytest.mark.parametrize(("label", "expected"), [(6, "549752054D6FB708622C4A2E596A1B93"),
                                                 (7, "AB01818174C40D39A3781F7C2D27")])
def test_vec_rfc6904_a1_derivation(label: int, expected: str) -> None:
    value = bytes.fromhex(expected)
    out = ffi.new("uint8_t[]", len(value))
    assert lib.arc_kdf_derive(kdf_input(HDR_KEY, HDR_SALT), label, out, len(value)) == lib.ARC_OK
    assert bytes(ffi.buffer(out)) == value
    assert derive(HDR_KEY, HDR_SALT, label, len(value)) == value


def test_vec_rfc6904_a2_header_encryption() -> None:
    """Through the whole pipeline."""
    plain = bytes.fromhex("17414273A475262748220000C8308E4655996386B395FB00")
    cipher = bytes.fromhex("17588A9270F4E15E1C220000C8309546A994F0BC54789700")
    packet = bytes.fromhex("900f1234decafbadcafebabebede0006") + plain + bytes(20)
    config = SrtpConfig(HDR_KEY, HDR_SALT, profile=SrtpProfile.AES128_CM_HMAC_SHA1_80,
                        encrypted_extensions=frozenset({1, 3, 4}))
    wire = SrtpPipeline(config).encrypt(packet)
    assert wire[16:40] == cipher
    assert SrtpPipeline(config).decrypt_bytes(wire) == packet
