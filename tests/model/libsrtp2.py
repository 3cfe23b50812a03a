"""libsrtp by ctypes, for what pylibsrtp does not offer: AES-256 in counter mode, MKI, encrypted header extensions.

Two copies of it: Debian's shared library, and the one inside the pylibsrtp wheel. The
layouts are those of libsrtp 2.x (``srtp2/srtp.h``); the version is checked when it is loaded.
"""
from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_uint, c_ulong, c_void_p
from functools import cache
from typing import Any

from arcrtc.srtp import SrtpConfig, SrtpProfile

#: Functions that fill the policy of RTP and of RTCP; the tag of RTCP is never short (RFC 3711 section 5.2).
_CM_128 = "srtp_crypto_policy_set_rtp_default"
_CM_256 = "srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80"
_GCM_128 = "srtp_crypto_policy_set_aes_gcm_128_16_auth"
_GCM_256 = "srtp_crypto_policy_set_aes_gcm_256_16_auth"
_POLICIES = {
    SrtpProfile.AES128_CM_HMAC_SHA1_80: (_CM_128, _CM_128),
    SrtpProfile.AES128_CM_HMAC_SHA1_32: ("srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32", _CM_128),
    SrtpProfile.AES256_CM_HMAC_SHA1_80: (_CM_256, _CM_256),
    SrtpProfile.AES256_CM_HMAC_SHA1_32: ("srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32", _CM_256),
    SrtpProfile.AEAD_AES_128_GCM: (_GCM_128, _GCM_128),
    SrtpProfile.AEAD_AES_256_GCM: (_GCM_256, _GCM_256),
}
_ROOM = 2048
_ANY_INBOUND, _ANY_OUTBOUND = 2, 3


class _Ssrc(Structure):
    _fields_ = (("type", c_int), ("value", c_uint))


class _CryptoPolicy(Structure):
    _fields_ = (("cipher_type", c_uint), ("cipher_key_len", c_int), ("auth_type", c_uint), ("auth_key_len", c_int),
                ("auth_tag_len", c_int), ("sec_serv", c_int))


class _MasterKey(Structure):
    _fields_ = (("key", c_char_p), ("mki_id", c_char_p), ("mki_size", c_uint))


class _Policy(Structure):
    _fields_ = (("ssrc", _Ssrc), ("rtp", _CryptoPolicy), ("rtcp", _CryptoPolicy), ("key", c_char_p),
                ("keys", POINTER(POINTER(_MasterKey))), ("num_master_keys", c_ulong), ("deprecated_ekt", c_void_p),
                ("window_size", c_ulong), ("allow_repeat_tx", c_int), ("enc_xtn_hdr", POINTER(c_int)),
                ("enc_xtn_hdr_count", c_int), ("next", c_void_p))


class Libsrtp2Error(Exception):
    """What libsrtp answered, ``srtp_err_status_t``."""

    AUTH, REPLAY, REPLAY_OLD, BAD_MKI = 7, 9, 10, 25

    def __init__(self, status: int) -> None:
        super().__init__(f"libsrtp status {status}")
        self.status = status


@cache
def library(name: str) -> ctypes.CDLL:
    """``debian`` (package libsrtp2-1) or ``wheel`` (pylibsrtp); a test that needs one fails where it is missing."""
    if name == "wheel":
        import pylibsrtp._binding  # srtp_init() was called with the import

        found = ctypes.CDLL(pylibsrtp._binding.__file__)
    else:
        found = ctypes.CDLL("libsrtp2.so.1")
        check(found.srtp_init())
    assert found.srtp_get_version() >> 24 == 2
    return found


def check(status: int) -> None:
    if status:
        raise Libsrtp2Error(status)


class Session:
    """Sends or receives any SSRC by the keys of one or more configurations, told apart by their MKI."""

    def __init__(self, configs: SrtpConfig | Sequence[SrtpConfig], *, sending: bool, copy: str = "debian") -> None:
        self.lib = library(copy)
        self.configs = [configs] if isinstance(configs, SrtpConfig) else list(configs)
        self.handle = c_void_p()
        first = self.configs[0]
        policy = _Policy(ssrc=_Ssrc(_ANY_OUTBOUND if sending else _ANY_INBOUND, 0), window_size=first.window_pkts)
        for name, part in zip(_POLICIES[first.profile], (policy.rtp, policy.rtcp), strict=True):
            getattr(self.lib, name)(byref(part))
        self.uses_mki = bool(first.mki)
        keys = [_MasterKey(c.master_key + c.master_salt, c.mki, len(c.mki)) for c in self.configs]
        if self.uses_mki:
            policy.keys = (POINTER(_MasterKey) * len(keys))(*[ctypes.pointer(key) for key in keys])
            policy.num_master_keys = len(keys)
        else:
            policy.key = first.master_key + first.master_salt
        idents = sorted(first.encrypted_extensions)
        policy.enc_xtn_hdr = (c_int * len(idents))(*idents)
        policy.enc_xtn_hdr_count = len(idents)
        check(self.lib.srtp_create(byref(self.handle), byref(policy)))

    def _call(self, function: Callable[..., int], data: bytes, *more: Any) -> bytes:
        buffer = ctypes.create_string_buffer(data, _ROOM)
        length = c_int(len(data))
        check(function(self.handle, buffer, byref(length), c_uint(self.uses_mki), *more))
        return buffer.raw[:length.value]

    def protect(self, data: bytes, key: int = 0) -> bytes:
        """With the key at this place."""
        return self._call(self.lib.srtp_protect_mki, data, c_uint(key))

    def protect_rtcp(self, data: bytes, key: int = 0) -> bytes:
        return self._call(self.lib.srtp_protect_rtcp_mki, data, c_uint(key))

    def unprotect(self, data: bytes) -> bytes:
        return self._call(self.lib.srtp_unprotect_mki, data)

    def unprotect_rtcp(self, data: bytes) -> bytes:
        return self._call(self.lib.srtp_unprotect_rtcp_mki, data)

    def close(self) -> None:
        if self.handle:
            self.lib.srtp_dealloc(self.handle)
            self.handle = c_void_p()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def header_extension(elements: Iterable[tuple[int, bytes]], *, two_byte: bool = False) -> bytes:
    """A header extension of RFC 8285 with these elements, and zeros only at its end.

    libsrtp takes a zero byte before the first element for an element of its own, and does
    not count those between two as a part of the key stream, as RFC 6904 section 3 does.
    """
    data = b""
    for ident, value in elements:
        data += bytes([ident, len(value)]) if two_byte else bytes([ident << 4 | len(value) - 1])
        data += value
    data += bytes(-len(data) % 4)
    return (0x1000 if two_byte else 0xBEDE).to_bytes(2, "big") + (len(data) // 4).to_bytes(2, "big") + data
