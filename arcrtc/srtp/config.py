"""Keys and options of SRTP: checked once, never printed."""
from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final

from arcrtc._native import check, ffi, lib
from arcrtc.crypto import CRYPTO_NAMES, backend_number
from arcrtc.errors import ConfigError

_CM_SALT_BYTES: Final = 14
_GCM_SALT_BYTES: Final = 12
_MKI_MAX_BYTES: Final = int(lib.ARC_SRTP_MKI_MAX_BYTES)
_RATE_MAX: Final = int(lib.ARC_SRTP_RATE_MAX)


class SrtpProfile(IntEnum):
    """Cipher, key size and tag size of a session.

    The numbers are those of DTLS-SRTP (RFC 5764 section 4.1.2, RFC 7714 section
    14.2); the two of AES-256 in counter mode are ours, DTLS has none for them.
    """

    AES128_CM_HMAC_SHA1_80 = lib.ARC_SRTP_AES128_CM_HMAC_SHA1_80
    AES128_CM_HMAC_SHA1_32 = lib.ARC_SRTP_AES128_CM_HMAC_SHA1_32
    AEAD_AES_128_GCM = lib.ARC_SRTP_AEAD_AES_128_GCM
    AEAD_AES_256_GCM = lib.ARC_SRTP_AEAD_AES_256_GCM
    AES256_CM_HMAC_SHA1_80 = lib.ARC_SRTP_AES256_CM_HMAC_SHA1_80
    AES256_CM_HMAC_SHA1_32 = lib.ARC_SRTP_AES256_CM_HMAC_SHA1_32

    @property
    def is_aead(self) -> bool:
        """True for AES-GCM, False for AES-CM with HMAC-SHA1."""
        return self in (SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AEAD_AES_256_GCM)

    @property
    def key_bytes(self) -> int:
        """Length of the master key: 16 or 32."""
        return 32 if "256" in self.name else 16

    @property
    def salt_bytes(self) -> tuple[int, ...]:
        """Lengths a master salt may have; the usual one first."""
        return (_GCM_SALT_BYTES, _CM_SALT_BYTES) if self.is_aead else (_CM_SALT_BYTES,)


def _as_bytes(name: str, value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise ConfigError(f"{name} is {type(value).__name__}, must be bytes")


def check_range(name: str, value: object, low: int, high: int) -> None:
    """Raise ConfigError unless ``value`` is an integer in low..high."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"{name}={value!r} must be an integer in {low}..{high}")


@dataclass(frozen=True, slots=True, repr=False)
class SrtpConfig:
    """Keys and sizes of a session. ``repr`` shows no key.

    :ivar master_key: 16 bytes, 32 for the AES-256 profiles.
    :ivar master_salt: 14 bytes, taken whole as the master salt of RFC 3711
        section 4.3; AES-GCM also takes the 12 bytes of RFC 7714, which are the
        same as 14 with two zero bytes at the end.
    :ivar ssrc: the SSRC this side sends, 0..2**32-1; None: not settled yet. It is
        the one whose packets start with ``roc``. A key may protect several SSRCs
        (media, retransmission), each with an index of its own.
    :ivar roc: roll-over counter of the first packet of ``ssrc``, sent or
        received, 0..2**32-1; 0 for a new stream.
    :ivar profile: cipher and tag.
    :ivar window_pkts: replay window, 64..32768 packets.
    :ivar max_streams: SSRCs each way, 1..4096. Sending more raises LimitError;
        receiving, the one silent longest is forgotten, and its replay window with it.
    :ivar limit_pkts: packets one key may protect, and accept, before it must be
        changed; None: 2**48 RTP and 2**31 RTCP (RFC 3711 section 9.2). 1..2**48.
    :ivar mki: master key identifier, 0..128 bytes; every packet carries it, and a
        receiver finds the key by it (RFC 3711 section 3.1). Both sides must have the
        same. b"": none.
    :ivar key_derivation_rate: packets after which the session keys are derived anew
        from the master key; 0: never, else a power of two up to 2**24 (RFC 3711
        section 4.3.1).
    :ivar encrypted_extensions: ids of the header extension elements that are
        encrypted, 1..255 (RFC 6904).
    :ivar crypto: "auto", or the cipher backend that must be used: "openssl" or
        "ipsecmb". "auto" is what the environment variable ARCRTC_CRYPTO says, and
        without it the fastest that is usable here.
    :raises ConfigError: a value is outside of what is stated here.
    """

    master_key: bytes
    master_salt: bytes
    ssrc: int | None = None
    roc: int = 0
    profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM
    window_pkts: int = field(default=lib.ARC_REPLAY_WINDOW_DEFAULT_PKTS, kw_only=True)
    max_streams: int = field(default=lib.ARC_SRTP_STREAMS_DEFAULT, kw_only=True)
    limit_pkts: int | None = field(default=None, kw_only=True)
    mki: bytes = field(default=b"", kw_only=True)
    key_derivation_rate: int = field(default=0, kw_only=True)
    encrypted_extensions: frozenset[int] = field(default=frozenset(), kw_only=True)
    crypto: str = field(default="auto", kw_only=True)

    def __post_init__(self) -> None:
        try:
            profile = SrtpProfile(self.profile)
        except ValueError:
            names = ", ".join(p.name for p in SrtpProfile)
            raise ConfigError(f"profile={self.profile!r} is not one of {names}") from None
        object.__setattr__(self, "profile", profile)
        object.__setattr__(self, "master_key", _as_bytes("master_key", self.master_key))
        object.__setattr__(self, "master_salt", _as_bytes("master_salt", self.master_salt))
        if len(self.master_key) != profile.key_bytes:
            raise ConfigError(f"master_key has {len(self.master_key)} bytes, "
                              f"{profile.name} takes {profile.key_bytes}")
        if len(self.master_salt) not in profile.salt_bytes:
            allowed = " or ".join(map(str, profile.salt_bytes))
            raise ConfigError(f"master_salt has {len(self.master_salt)} bytes, "
                              f"{profile.name} takes {allowed}")
        if self.ssrc is not None:
            check_range("ssrc", self.ssrc, 0, 2**32 - 1)
        check_range("roc", self.roc, 0, 2**32 - 1)
        if self.roc and self.ssrc is None:
            raise ConfigError(f"roc={self.roc} needs the ssrc that it is the counter of")
        check_range("window_pkts", self.window_pkts, lib.ARC_REPLAY_WINDOW_MIN_PKTS,
                     lib.ARC_REPLAY_WINDOW_MAX_PKTS)
        check_range("max_streams", self.max_streams, 1, 4096)
        if self.limit_pkts is not None:
            check_range("limit_pkts", self.limit_pkts, 1, 2**48)
        self._check_options()

    def _check_options(self) -> None:
        object.__setattr__(self, "mki", _as_bytes("mki", self.mki))
        if len(self.mki) > _MKI_MAX_BYTES:
            raise ConfigError(f"mki has {len(self.mki)} bytes, at most {_MKI_MAX_BYTES}")
        rate = self.key_derivation_rate
        check_range("key_derivation_rate", rate, 0, _RATE_MAX)
        if rate & (rate - 1):
            raise ConfigError(f"key_derivation_rate={rate} must be 0 or a power of two")
        object.__setattr__(self, "encrypted_extensions", frozenset(self.encrypted_extensions))
        for ident in self.encrypted_extensions:
            check_range("encrypted_extensions", ident, 1, 255)
        if self.crypto not in CRYPTO_NAMES:
            raise ConfigError(f"crypto={self.crypto!r} is none of {', '.join(CRYPTO_NAMES)}")

    def __repr__(self) -> str:
        return (f"SrtpConfig(profile={self.profile.name}, master_key=<{len(self.master_key)} bytes>, "
                f"master_salt=<{len(self.master_salt)} bytes>, ssrc={self.ssrc}, roc={self.roc}, "
                f"window_pkts={self.window_pkts}, max_streams={self.max_streams}, "
                f"limit_pkts={self.limit_pkts}, mki={self.mki!r}, "
                f"key_derivation_rate={self.key_derivation_rate}, "
                f"encrypted_extensions={sorted(self.encrypted_extensions)}, crypto={self.crypto!r})")

    @classmethod
    def generate(cls, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM, *, ssrc: int | None = None,
                 roc: int = 0, **options: Any) -> SrtpConfig:
        """Make a configuration with a new random key and salt, from OpenSSL.

        :param options: any other field of this class.
        :raises LibraryError: OpenSSL's generator has no entropy.
        """
        profile = SrtpProfile(profile)
        return cls(_random_bytes(profile.key_bytes), _random_bytes(profile.salt_bytes[0]), ssrc, roc, profile,
                   **options)

    def has_key_of(self, other: SrtpConfig) -> bool:
        """True if both have the same master key, salt and MKI; compared in constant time."""
        return (self.mki == other.mki and hmac.compare_digest(self.master_key, other.master_key)
                and hmac.compare_digest(self.master_salt, other.master_salt))

    def with_new_key(self, mki: bytes | None = None) -> SrtpConfig:
        """Return the same with a new random key and salt, for :meth:`SrtpPipeline.rekey`.

        :param mki: identifier of the new key, as long as the present one; None: the
            present one, counted up by one as a big-endian number.
        """
        if mki is None:
            n = len(self.mki)
            mki = ((int.from_bytes(self.mki, "big") + 1) % (1 << 8 * n)).to_bytes(n, "big") if n else b""
        return replace(self, master_key=_random_bytes(self.profile.key_bytes),
                       master_salt=_random_bytes(len(self.master_salt)), mki=mki)


def native_config(config: SrtpConfig, cfg: Any) -> None:
    """Fill a ``struct arc_srtp_config``. It holds keys then: the caller wipes it after use.

    :raises UnsupportedError: the backend that is asked for is not usable here.
    """
    cfg.profile = int(config.profile)
    native_key(config, cfg)
    cfg.window_pkts = config.window_pkts
    cfg.max_streams = config.max_streams
    cfg.limit_pkts = config.limit_pkts or 0
    cfg.backend = backend_number(config.crypto)
    cfg.derivation_rate = config.key_derivation_rate
    for ident in config.encrypted_extensions:
        cfg.ext_ids[ident // 8] |= 1 << ident % 8


def native_key(config: SrtpConfig, cfg: Any) -> None:
    """Fill what a ``struct arc_srtp_config`` and a ``struct arc_srtp_key_config`` have in common."""
    cfg.key_len = len(config.master_key)
    cfg.salt_len = len(config.master_salt)
    cfg.mki_len = len(config.mki)
    ffi.memmove(cfg.master_key, config.master_key, cfg.key_len)
    ffi.memmove(cfg.master_salt, config.master_salt, cfg.salt_len)
    ffi.memmove(cfg.mki, config.mki, cfg.mki_len)


def _random_bytes(n: int) -> bytes:
    out = ffi.new("uint8_t[]", n)
    check(lib.arc_cipher_random(out, n), "SrtpConfig.generate")
    made = bytes(ffi.buffer(out))
    ffi.buffer(out)[:] = bytes(n)
    return made
