"""Secure RTP and RTCP: one master key, both directions (C modules ``srtp/*``).

Sources: RFC 3711 (AES-CM, HMAC-SHA1), RFC 6188 (AES-256), RFC 7714 (AES-GCM).
"""
from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import check, error_for, ffi, lib, new_handle
from arcrtc.errors import ArgumentError, ConfigError, ParseError

if TYPE_CHECKING:
    from arcrtc.rtp import RtpPacket

BytesLike = bytes | bytearray | memoryview

_MAX_BYTES: Final = int(lib.ARC_SRTP_PACKET_MAX_BYTES)
_BUFFER_BYTES: Final = _MAX_BYTES + int(lib.ARC_SRTP_TRAILER_MAX_BYTES)
_CM_SALT_BYTES: Final = 14
_GCM_SALT_BYTES: Final = 12

# A look-up in ``lib`` costs as much as a short packet's share of the copy.
_protect: Final = lib.arc_srtp_protect
_unprotect: Final = lib.arc_srtp_unprotect


class _Serializable(Protocol):
    def serialize(self) -> bytes: ...


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


def _check_range(name: str, value: object, low: int, high: int) -> None:
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
            _check_range("ssrc", self.ssrc, 0, 2**32 - 1)
        _check_range("roc", self.roc, 0, 2**32 - 1)
        if self.roc and self.ssrc is None:
            raise ConfigError(f"roc={self.roc} needs the ssrc that it is the counter of")
        _check_range("window_pkts", self.window_pkts, lib.ARC_REPLAY_WINDOW_MIN_PKTS,
                     lib.ARC_REPLAY_WINDOW_MAX_PKTS)
        _check_range("max_streams", self.max_streams, 1, 4096)
        if self.limit_pkts is not None:
            _check_range("limit_pkts", self.limit_pkts, 1, 2**48)

    def __repr__(self) -> str:
        return (f"SrtpConfig(profile={self.profile.name}, master_key=<{len(self.master_key)} bytes>, "
                f"master_salt=<{len(self.master_salt)} bytes>, ssrc={self.ssrc}, roc={self.roc}, "
                f"window_pkts={self.window_pkts}, max_streams={self.max_streams}, "
                f"limit_pkts={self.limit_pkts})")

    @classmethod
    def generate(cls, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM, *, ssrc: int | None = None,
                 roc: int = 0, window_pkts: int = lib.ARC_REPLAY_WINDOW_DEFAULT_PKTS,
                 max_streams: int = lib.ARC_SRTP_STREAMS_DEFAULT,
                 limit_pkts: int | None = None) -> SrtpConfig:
        """Make a configuration with a new random key and salt, from OpenSSL.

        :raises LibraryError: OpenSSL's generator has no entropy.
        """
        profile = SrtpProfile(profile)
        return cls(_random_bytes(profile.key_bytes), _random_bytes(profile.salt_bytes[0]), ssrc, roc, profile,
                   window_pkts=window_pkts, max_streams=max_streams, limit_pkts=limit_pkts)


def native_config(config: SrtpConfig, cfg: Any) -> None:
    """Fill a ``struct arc_srtp_config``. It holds keys then: the caller wipes it after use."""
    cfg.profile = int(config.profile)
    cfg.key_len = len(config.master_key)
    cfg.salt_len = len(config.master_salt)
    ffi.memmove(cfg.master_key, config.master_key, cfg.key_len)
    ffi.memmove(cfg.master_salt, config.master_salt, cfg.salt_len)
    cfg.window_pkts = config.window_pkts
    cfg.max_streams = config.max_streams
    cfg.limit_pkts = config.limit_pkts or 0


def _random_bytes(n: int) -> bytes:
    out = ffi.new("uint8_t[]", n)
    check(lib.arc_cipher_random(out, n), "SrtpConfig.generate")
    made = bytes(ffi.buffer(out))
    ffi.buffer(out)[:] = bytes(n)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class SrtpStats:
    """Counts of an :class:`SrtpPipeline` since it was made, in packets.

    Every failure is in exactly one of ``malformed``, ``unauthenticated``,
    ``replayed``, ``too_old``, ``over_limit`` and ``other_failures``.

    :ivar rtp_sent: RTP packets protected. :ivar rtcp_sent: RTCP compounds protected.
    :ivar rtp_received: RTP packets accepted. :ivar rtcp_received: RTCP compounds accepted.
    :ivar malformed: not RTP or RTCP. :ivar unauthenticated: the tag did not match.
    :ivar replayed: accepted before. :ivar too_old: behind the replay window.
    :ivar over_limit: the key or the table of streams is used up.
    :ivar streams_evicted: received streams that made room for others.
    :ivar send_streams: sources protected now. :ivar recv_streams: sources accepted now; both 0..max_streams.
    """

    rtp_sent: int
    rtcp_sent: int
    rtp_received: int
    rtcp_received: int
    malformed: int
    unauthenticated: int
    replayed: int
    too_old: int
    over_limit: int
    other_failures: int
    streams_evicted: int
    send_streams: int
    recv_streams: int


class PacketBatch:
    """Many packets in one native block, for calls that handle them all at once.

    ``data`` holds a packet at the start of each row. Fill rows and ``lengths``,
    set ``count``, make the call, read ``status``. The block is made once and
    reused; nothing is copied.

    Not thread-safe: one thread at a time.

    :param capacity: rows, 1..65536.
    :param slot_bytes: bytes of a row, 64..65600; 1500 fits any Ethernet frame
        together with the tag.
    :ivar data: uint8, shape (capacity, slot_bytes).
    :ivar lengths: int32, shape (capacity,); bytes used of each row.
    :ivar status: int32, shape (capacity,); 0: good, negative: what failed
        (:meth:`error` makes the exception). Written by the last call.
    :raises ConfigError: a size is out of range.
    """

    __slots__ = ("_block", "_c_data", "_c_lengths", "_c_status", "_count", "data", "lengths", "status")

    data: NDArray[np.uint8]
    lengths: NDArray[np.int32]
    status: NDArray[np.int32]

    def __init__(self, capacity: int, slot_bytes: int = 1536) -> None:
        _check_range("capacity", capacity, 1, 65536)
        _check_range("slot_bytes", slot_bytes, 64, 65600)
        data_bytes = -(-capacity * slot_bytes // 4) * 4  # the int32 arrays behind it stay aligned
        self._block = ffi.new("uint8_t[]", data_bytes + 8 * capacity)
        block = ffi.buffer(self._block)
        self.data = np.frombuffer(block, np.uint8, capacity * slot_bytes).reshape(capacity, slot_bytes)
        self.lengths = np.frombuffer(block, np.int32, capacity, data_bytes)
        self.status = np.frombuffer(block, np.int32, capacity, data_bytes + 4 * capacity)
        self._c_data = self._block
        self._c_lengths = ffi.cast("int32_t *", self._block + data_bytes)
        self._c_status = self._c_lengths + capacity
        self._count = 0

    @property
    def capacity(self) -> int:
        """Rows in the block."""
        return int(self.data.shape[0])

    @property
    def slot_bytes(self) -> int:
        """Bytes of a row."""
        return int(self.data.shape[1])

    @property
    def count(self) -> int:
        """Packets in it: the first ``count`` rows. 0..capacity."""
        return self._count

    @count.setter
    def count(self, value: int) -> None:
        if not 0 <= value <= self.capacity:
            raise ArgumentError(f"count={value} is outside 0..{self.capacity}")
        self._count = int(value)

    def append(self, packet: BytesLike) -> bool:
        """Copy a packet into the next row; False: all rows are in use.

        :raises ArgumentError: the packet is longer than a row.
        """
        n = len(packet)
        if n > self.slot_bytes:
            raise ArgumentError(f"a packet of {n} bytes does not fit into {self.slot_bytes}")
        if self._count == self.capacity:
            return False
        self.data[self._count, :n] = np.frombuffer(packet, np.uint8)
        self.lengths[self._count] = n
        self.status[self._count] = 0
        self._count += 1
        return True

    def clear(self) -> None:
        """Set ``count`` to 0."""
        self._count = 0

    def packet(self, row: int) -> bytes:
        """A copy of the packet in a row.

        :raises ArgumentError: ``row`` is not below ``count``.
        """
        self._check_row(row)
        return self.data[row, :self.lengths[row]].tobytes()

    def error(self, row: int) -> Exception | None:
        """The exception that the status of a row stands for; None: it is good.

        :raises ArgumentError: ``row`` is not below ``count``.
        """
        self._check_row(row)
        status = int(self.status[row])
        return None if status == lib.ARC_OK else error_for(status, f"packet {row} of the batch")

    def _check_row(self, row: int) -> None:
        if not 0 <= row < self._count:
            raise ArgumentError(f"row={row} is outside 0..{self._count - 1}")

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"PacketBatch(capacity={self.capacity}, slot_bytes={self.slot_bytes}, count={self._count})"


class SrtpPipeline:
    """Protects and unprotects RTP and RTCP with one master key.

    Sends and receives with the same key and keeps the two apart, so both ends of
    a call may have equal configurations but for ``ssrc``: **two senders with one
    key must use different SSRCs** (RFC 7714 section 8.4). Receives every SSRC that
    authenticates. A packet that fails leaves no trace in the state: the true one is
    still accepted after it.

    Not thread-safe: one thread at a time. The interpreter lock is free during calls.

    :param config: keys and sizes.
    :raises NoMemoryError: the core could not allocate.
    """

    __slots__ = ("__weakref__", "_buffer", "_config", "_handle", "_n_out", "_overhead", "_raw", "_view")

    def __init__(self, config: SrtpConfig) -> None:
        self._config = config
        cfg = ffi.new("struct arc_srtp_config *")
        native_config(config, cfg)
        try:
            self._handle = new_handle(lib.arc_srtp_new, lib.arc_srtp_free, "struct arc_srtp", cfg,
                                      what="SrtpPipeline")
        finally:
            ffi.buffer(cfg)[:] = bytes(ffi.sizeof(cfg[0]))  # the core has derived its keys
        self._buffer = ffi.new("uint8_t[]", _BUFFER_BYTES)
        self._raw = ffi.buffer(self._buffer)
        self._view = memoryview(self._raw)
        self._n_out = ffi.new("size_t *")
        self._overhead = int(lib.arc_srtp_overhead_bytes(self._handle))
        if config.ssrc is not None and config.roc:
            self.set_roc(config.ssrc, config.roc, sending=True)
            self.set_roc(config.ssrc, config.roc, sending=False)

    @property
    def config(self) -> SrtpConfig:
        """The configuration it was made from."""
        return self._config

    @property
    def closed(self) -> bool:
        """True after :meth:`close`."""
        try:
            return self._handle is None
        except ArgumentError:
            return True

    @property
    def overhead_bytes(self) -> int:
        """Bytes that :meth:`encrypt` adds to a packet: 4, 10 or 16."""
        return self._overhead

    @property
    def rtcp_overhead_bytes(self) -> int:
        """Bytes that :meth:`encrypt_rtcp` adds: 14 or 20."""
        return int(lib.arc_srtp_rtcp_overhead_bytes(self._handle))

    def _load(self, data: BytesLike, too_long: type[Exception]) -> int:
        """Copy ``data`` to the working buffer; return its length."""
        if not isinstance(data, bytes):
            data = memoryview(data).cast("B")
        n = len(data)
        if n > _MAX_BYTES:
            raise too_long(f"a packet of {n} bytes: {_MAX_BYTES} is the most")
        self._view[:n] = data
        return n

    def encrypt(self, packet: _Serializable | BytesLike) -> bytes:
        """Protect an RTP packet.

        :param packet: an RtpPacket, or the bytes of one, 12..65535.
        :returns: the SRTP packet, :attr:`overhead_bytes` longer.
        :raises ParseError: the bytes have no valid RTP header.
        :raises LimitError: the key is used up, or ``max_streams`` SSRCs are in use.
        """
        if isinstance(packet, bytes) and len(packet) <= _MAX_BYTES:  # _load() without the call
            n = len(packet)
            self._view[:n] = packet
        elif isinstance(packet, (bytes, bytearray, memoryview)):
            n = self._load(packet, ArgumentError)
        else:
            n = self._load(packet.serialize(), ArgumentError)
        status = _protect(self._handle, self._buffer, n, _BUFFER_BYTES, self._n_out)
        if status:
            raise error_for(status, "SrtpPipeline.encrypt")
        return self._raw[:n + self._overhead]  # type: ignore[no-any-return]

    def decrypt_bytes(self, wire: BytesLike) -> bytes:
        """Authenticate and decrypt an SRTP packet; the RTP packet as bytes.

        :param wire: what came from the network.
        :raises AuthenticationError: the tag does not match.
        :raises ReplayError: accepted before, or behind the replay window.
        :raises ParseError: too short, too long, or no RTP header.
        :raises LimitError: the key is used up.
        """
        if isinstance(wire, bytes) and len(wire) <= _MAX_BYTES:  # _load() without the call
            n = len(wire)
            self._view[:n] = wire
        else:
            n = self._load(wire, ParseError)
        status = _unprotect(self._handle, self._buffer, n, self._n_out)
        if status:
            raise error_for(status, "SrtpPipeline.decrypt")
        return self._raw[:n - self._overhead]  # type: ignore[no-any-return]

    def decrypt(self, wire: BytesLike) -> RtpPacket:
        """Authenticate and decrypt an SRTP packet; the parsed RTP packet.

        Errors as :meth:`decrypt_bytes`; also ParseError where an authentic packet
        is no valid RTP inside (padding).
        """
        from arcrtc.rtp import RtpPacket

        return RtpPacket.parse(self.decrypt_bytes(wire))

    def encrypt_rtcp(self, data: BytesLike) -> bytes:
        """Protect a compound RTCP packet, 8..65535 bytes.

        :returns: the SRTCP packet, :attr:`rtcp_overhead_bytes` longer.
        :raises ParseError: the bytes have no RTCP header.
        :raises LimitError: the key is used up, or ``max_streams`` SSRCs are in use.
        """
        n = self._load(data, ArgumentError)
        status = lib.arc_srtp_protect_rtcp(self._handle, self._buffer, n, _BUFFER_BYTES, self._n_out)
        if status:
            raise error_for(status, "SrtpPipeline.encrypt_rtcp")
        return self._raw[:self._n_out[0]]  # type: ignore[no-any-return]

    def decrypt_rtcp(self, data: BytesLike) -> bytes:
        """Authenticate and decrypt an SRTCP packet. Errors as :meth:`decrypt_bytes`."""
        n = self._load(data, ParseError)
        status = lib.arc_srtp_unprotect_rtcp(self._handle, self._buffer, n, self._n_out)
        if status:
            raise error_for(status, "SrtpPipeline.decrypt_rtcp")
        return self._raw[:self._n_out[0]]  # type: ignore[no-any-return]

    def encrypt_batch(self, batch: PacketBatch) -> None:
        """Protect all packets of a batch in place.

        One bad packet never raises: its ``status`` says what failed, its bytes and
        length stay. A row needs :attr:`overhead_bytes` of room behind its packet.
        """
        check(lib.arc_srtp_protect_batch(self._handle, batch._c_data, batch.slot_bytes, batch._c_lengths,
                                         batch._c_status, batch._count), "SrtpPipeline.encrypt_batch")

    def decrypt_batch(self, batch: PacketBatch) -> None:
        """Authenticate and decrypt all packets of a batch in place, as :meth:`encrypt_batch`."""
        check(lib.arc_srtp_unprotect_batch(self._handle, batch._c_data, batch.slot_bytes, batch._c_lengths,
                                           batch._c_status, batch._count), "SrtpPipeline.decrypt_batch")

    def set_roc(self, ssrc: int, roc: int, *, sending: bool) -> None:
        """Say which roll-over counter the next packet of an SSRC has.

        For a receiver that joins a running stream, or a sender that goes on with
        one (RFC 3711 section 3.3.1).

        :param ssrc: 0..2**32-1.
        :param roc: 0..2**32-1; not below the counter in use.
        :param sending: True: the stream this side sends; False: one it receives.
        :raises ArgumentError: a value is out of range, or below the counter in use.
        :raises LimitError: sending, and ``max_streams`` SSRCs are in use.
        """
        if not 0 <= ssrc < 2**32 or not 0 <= roc < 2**32:
            raise ArgumentError(f"ssrc={ssrc}, roc={roc}: both must be in 0..{2**32 - 1}")
        check(lib.arc_srtp_set_roc(self._handle, ssrc, roc, sending), "SrtpPipeline.set_roc")

    def stats(self) -> SrtpStats:
        """Counts since the pipeline was made."""
        out: Any = ffi.new("struct arc_srtp_stats *")
        lib.arc_srtp_get_stats(self._handle, out)
        return SrtpStats(**{f.name: int(getattr(out, f.name)) for f in fields(SrtpStats)})

    def close(self) -> None:
        """Wipe the session keys now instead of with the last reference; then unusable."""
        try:
            handle = self._handle
        except ArgumentError:
            return  # closed before
        del self._handle
        ffi.release(handle)

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not there: after close(), the handle.
        if name == "_handle":
            raise ArgumentError("the SrtpPipeline is closed")
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"SrtpPipeline({self._config!r})"
