"""Protects and unprotects packets (C modules ``srtp/*``)."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from arcrtc._native import NEVER_US, check, error_for, ffi, lib, new_handle
from arcrtc.crypto import backend_name
from arcrtc.errors import ArgumentError, ConfigError, ParseError
from arcrtc.srtp.batch import PacketBatch, give_back, take_working_memory
from arcrtc.srtp.config import SrtpConfig, check_range, native_config, native_key

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from arcrtc.rtp import RtpPacket

_MAX_BYTES: Final = int(lib.ARC_SRTP_PACKET_MAX_BYTES)
_BUFFER_BYTES: Final = _MAX_BYTES + int(lib.ARC_SRTP_TRAILER_MAX_BYTES)

# A look-up in ``lib`` costs as much as a short packet's share of the copy.
_protect_to: Final = lib.arc_srtp_protect_to
_unprotect_to: Final = lib.arc_srtp_unprotect_to
_protect_slots: Final = lib.arc_srtp_protect_slots
_unprotect_slots: Final = lib.arc_srtp_unprotect_slots
_from_buffer: Final = ffi.from_buffer
_NULL: Final = ffi.NULL
_BYTES: Final = ffi.typeof("uint8_t[]")


class _Serializable(Protocol):
    def serialize(self) -> bytes: ...


def _clock_us() -> int:
    return time.monotonic_ns() // 1000


def _input_of(packet: _Serializable | Buffer) -> Any:
    """What C can read: bytes, or a view that keeps its object alive."""
    if hasattr(packet, "serialize"):
        return packet.serialize()
    return _from_buffer(_BYTES, packet)


def _error(status: int, what: str, n: int) -> Exception:
    if status == lib.ARC_ERR_ARG and n > _MAX_BYTES:
        return ArgumentError(f"{what}: a packet of {n} bytes: {_MAX_BYTES} is the most")
    return error_for(status, what)


class KeyEventType(IntEnum):
    """What happened to a key."""

    NEAR_LIMIT = lib.ARC_SRTP_EVENT_KEY_NEAR_LIMIT
    USED_UP = lib.ARC_SRTP_EVENT_KEY_USED_UP
    RETIRED = lib.ARC_SRTP_EVENT_KEY_RETIRED


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """Something that happened to a master key.

    :ivar type: NEAR_LIMIT: seven eighths of the packets it may be used for are used,
        time to change it; USED_UP: nothing more passes with it, in that direction;
        RETIRED: it was wiped.
    :ivar key_id: number of the key; the first of a pipeline is 1.
    :ivar sending: limits: True for what is sent, False for what is received.
    :ivar rtcp: limits: of RTCP compounds; False: of RTP packets.
    :ivar left_pkts: packets that the key may still take.
    """

    type: KeyEventType
    key_id: int
    sending: bool
    rtcp: bool
    left_pkts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SrtpStats:
    """Counts of an :class:`SrtpPipeline` since it was made, in packets.

    Every failure is in exactly one of ``malformed``, ``unauthenticated``,
    ``replayed``, ``too_old``, ``over_limit`` and ``other_failures``.

    :ivar rtp_sent: RTP packets protected. :ivar rtcp_sent: RTCP compounds protected.
    :ivar rtp_received: RTP packets accepted. :ivar rtcp_received: RTCP compounds accepted.
    :ivar malformed: not RTP or RTCP.
    :ivar unauthenticated: the tag did not match, or no key has the MKI.
    :ivar unknown_mki: of these, the latter.
    :ivar replayed: accepted before. :ivar too_old: behind the replay window.
    :ivar over_limit: the key or the table of streams is used up.
    :ivar streams_evicted: received streams that made room for others.
    :ivar events_lost: key events that were not polled in time.
    :ivar send_streams: sources protected now. :ivar recv_streams: sources accepted now; both 0..max_streams.
    """

    rtp_sent: int
    rtcp_sent: int
    rtp_received: int
    rtcp_received: int
    malformed: int
    unauthenticated: int
    unknown_mki: int
    replayed: int
    too_old: int
    over_limit: int
    other_failures: int
    streams_evicted: int
    events_lost: int
    send_streams: int
    recv_streams: int


class SrtpPipeline:
    """Protects and unprotects RTP and RTCP with the same master keys.

    Sends and receives with the same key and keeps the two apart, so both ends of
    a call may have equal configurations but for ``ssrc``: **two senders with one
    key must use different SSRCs** (RFC 7714 section 8.4). Receives every SSRC that
    authenticates. A packet that fails leaves no trace in the state: the true one is
    still accepted after it.

    The key can be changed while packets are on their way: :meth:`rekey`, or step by
    step :meth:`add_key`, :meth:`send_with`, :meth:`retire_key`.

    Not thread-safe: one thread at a time. The interpreter lock is free during calls.

    :param config: keys and options.
    :raises NoMemoryError: the core could not allocate.
    :raises UnsupportedError: the cipher backend that is asked for is not usable here.
    """

    __slots__ = ("__weakref__", "_buffer", "_config", "_expires_us", "_handle", "_n_out", "_out", "_overhead", "_raw",
                 "_room", "_room_bytes", "_wants_work")

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
        self._n_out = ffi.new("size_t *")
        self._overhead = int(lib.arc_srtp_overhead_bytes(self._handle))
        self._wants_work = bool(lib.arc_srtp_wants_batch(self._handle))
        self._out: Any = None
        self._room: Any = ffi.NULL
        self._room_bytes = 0
        self._expires_us: int | None = None
        if config.ssrc is not None and config.roc:
            self.set_roc(config.ssrc, config.roc, sending=True)
            self.set_roc(config.ssrc, config.roc, sending=False)

    @property
    def config(self) -> SrtpConfig:
        """The configuration it was made from, with the key that sends now."""
        return self._config

    @property
    def closed(self) -> bool:
        """True after :meth:`close`."""
        try:
            return self._handle is None
        except ArgumentError:
            return True

    @property
    def crypto(self) -> str:
        """The cipher backend in use: "openssl" or "ipsecmb"."""
        return backend_name(lib.arc_srtp_backend(self._handle))

    @property
    def overhead_bytes(self) -> int:
        """Bytes that :meth:`encrypt` adds to a packet: 4, 10 or 16, and the MKI."""
        return self._overhead

    @property
    def rtcp_overhead_bytes(self) -> int:
        """Bytes that :meth:`encrypt_rtcp` adds: 14 or 20, and the MKI."""
        return int(lib.arc_srtp_rtcp_overhead_bytes(self._handle))

    # -- RTP, one packet a call

    def encrypt(self, packet: _Serializable | Buffer) -> bytes:
        """Protect an RTP packet.

        :param packet: an RtpPacket, or the bytes of one, 12..65535: any contiguous
            bytes-like.
        :returns: the SRTP packet, :attr:`overhead_bytes` longer.
        :raises ParseError: the bytes have no valid RTP header.
        :raises LimitError: the key is used up, or ``max_streams`` SSRCs are in use.
        :raises ArgumentError: longer than 65535 bytes.
        """
        data = packet if type(packet) is bytes else _input_of(packet)
        n = _protect_to(self._handle, data, len(data), self._buffer, _BUFFER_BYTES)
        if n < 0:
            raise _error(n, "SrtpPipeline.encrypt", len(data))
        return self._raw[:n]  # type: ignore[no-any-return]

    def encrypt_into(self, packet: _Serializable | Buffer, out: Buffer | NDArray[Any]) -> int:
        """Protect an RTP packet into memory of the caller; nothing is allocated.

        :param packet: as :meth:`encrypt`; must not overlap ``out``.
        :param out: writable and contiguous (memoryview, NumPy array, bytearray), at
            least :attr:`overhead_bytes` longer than the packet. Kept until another is
            given or the pipeline is closed, since looking it up costs a third of the
            call; a bytearray, whose size may change, is looked up each time.
        :returns: bytes written from the start of ``out``.
        :raises BufferSpaceError: ``out`` is too small. Others as :meth:`encrypt`.
        """
        data = packet if type(packet) is bytes else _input_of(packet)
        room, room_bytes = (self._room, self._room_bytes) if out is self._out else self._lend(out)
        n = _protect_to(self._handle, data, len(data), room, room_bytes)
        if n < 0:
            raise _error(n, "SrtpPipeline.encrypt_into", len(data))
        return n  # type: ignore[no-any-return]

    def decrypt_bytes(self, wire: Buffer) -> bytes:
        """Authenticate and decrypt an SRTP packet; the RTP packet as bytes.

        :param wire: what came from the network: any contiguous bytes-like.
        :raises AuthenticationError: the tag does not match under any key.
        :raises ReplayError: accepted before, or behind the replay window.
        :raises ParseError: too short, too long, or no RTP header.
        :raises LimitError: the key is used up.
        """
        data = wire if type(wire) is bytes else _input_of(wire)
        if self._expires_us is not None:
            self._expire_by_clock()
        n = _unprotect_to(self._handle, data, len(data), self._buffer, _BUFFER_BYTES)
        if n < 0:
            raise _error(n, "SrtpPipeline.decrypt", len(data))
        return self._raw[:n]  # type: ignore[no-any-return]

    def decrypt_into(self, wire: Buffer, out: Buffer | NDArray[Any]) -> int:
        """Authenticate and decrypt an SRTP packet into memory of the caller.

        :param wire: as :meth:`decrypt_bytes`; must not overlap ``out``.
        :param out: as in :meth:`encrypt_into`, at least as long as ``wire``. After an
            error its content is worthless and must not be used.
        :returns: bytes of the RTP packet, from the start of ``out``.
        :raises BufferSpaceError: ``out`` is too small. Others as :meth:`decrypt_bytes`.
        """
        data = wire if type(wire) is bytes else _input_of(wire)
        if self._expires_us is not None:
            self._expire_by_clock()
        room, room_bytes = (self._room, self._room_bytes) if out is self._out else self._lend(out)
        n = _unprotect_to(self._handle, data, len(data), room, room_bytes)
        if n < 0:
            raise _error(n, "SrtpPipeline.decrypt_into", len(data))
        return n  # type: ignore[no-any-return]

    def _lend(self, out: Buffer | NDArray[Any]) -> tuple[Any, int]:
        """Address and bytes of ``out``; remembered unless its size can change."""
        room = _from_buffer(_BYTES, out, True)
        if not isinstance(out, bytearray):
            self._out, self._room, self._room_bytes = out, room, len(room)
        return room, len(room)

    def decrypt(self, wire: Buffer) -> RtpPacket:
        """Authenticate and decrypt an SRTP packet; the parsed RTP packet.

        Errors as :meth:`decrypt_bytes`; also ParseError where an authentic packet
        is no valid RTP inside (padding).
        """
        from arcrtc.rtp import RtpPacket

        return RtpPacket.parse(self.decrypt_bytes(wire))

    # -- RTCP

    def _load(self, data: Buffer, too_long: type[Exception]) -> int:
        """Copy ``data`` to the working buffer; return its length."""
        given = _input_of(data)
        n = len(given)
        if n > _MAX_BYTES:
            raise too_long(f"a packet of {n} bytes: {_MAX_BYTES} is the most")
        ffi.memmove(self._buffer, given, n)
        return n

    def encrypt_rtcp(self, data: Buffer) -> bytes:
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

    def decrypt_rtcp(self, data: Buffer) -> bytes:
        """Authenticate and decrypt an SRTCP packet. Errors as :meth:`decrypt_bytes`."""
        n = self._load(data, ParseError)
        if self._expires_us is not None:
            self._expire_by_clock()
        status = lib.arc_srtp_unprotect_rtcp(self._handle, self._buffer, n, self._n_out)
        if status:
            raise error_for(status, "SrtpPipeline.decrypt_rtcp")
        return self._raw[:self._n_out[0]]  # type: ignore[no-any-return]

    # -- batches

    def encrypt_batch(self, batch: PacketBatch) -> None:
        """Protect all packets of a batch in place.

        One bad packet never raises: its ``status`` says what failed, its bytes and
        length stay. A row needs :attr:`overhead_bytes` of room behind its packet.
        """
        self._work_through(_protect_slots, batch, "SrtpPipeline.encrypt_batch")

    def decrypt_batch(self, batch: PacketBatch) -> None:
        """Authenticate and decrypt all packets of a batch in place, as :meth:`encrypt_batch`."""
        if self._expires_us is not None:
            self._expire_by_clock()
        self._work_through(_unprotect_slots, batch, "SrtpPipeline.decrypt_batch")

    def _work_through(self, call: Callable[..., int], batch: PacketBatch, what: str) -> None:
        work = take_working_memory() if self._wants_work else _NULL
        status = call(work, self._handle, batch._c_data, batch._slot_bytes, batch._c_lengths, batch._c_status,
                      batch._count)
        if work is not _NULL:
            give_back(work)
        if status:
            raise error_for(status, what)

    # -- keys

    def rekey(self, config: SrtpConfig, *, overlap_ms: int = 5000, now_us: int | None = None) -> int:
        """Send with a new key from the next packet on; accept the old ones a while longer.

        Roll-over counters, indices and replay windows go on (RFC 3711 section 3.3.1).
        Where the peer must know the new key before it meets a packet under it, call
        :meth:`add_key` there first.

        :param config: the new key and salt, and its MKI; the profile and the MKI's
            length must be those of this pipeline, other fields are not looked at.
            :meth:`SrtpConfig.with_new_key` makes one.
        :param overlap_ms: how long packets under the old keys are still accepted,
            0..86_400_000. Then they are wiped.
        :param now_us: monotonic clock, microseconds. With it the caller also calls
            :meth:`expire`; None: the clock is read, here and when packets come.
        :returns: number of the new key.
        :raises ConfigError: the profile or the length of the MKI differs, or
            ``overlap_ms`` is out of range.
        :raises ArgumentError: the MKI is in use.
        :raises LimitError: four keys are there.
        """
        check_range("overlap_ms", overlap_ms, 0, 86_400_000)
        clock_us = _clock_us() if now_us is None else now_us
        out = ffi.new("int32_t *")
        self._with_native_key(config, lambda cfg: lib.arc_srtp_rekey(self._handle, cfg, 1000 * overlap_ms,
                                                                     clock_us, out))
        self._config = config
        if now_us is None:
            self._note_expiry()
        return int(out[0])

    def add_key(self, config: SrtpConfig) -> int:
        """Accept packets under another key from now on; errors and result as :meth:`rekey`."""
        out = ffi.new("int32_t *")
        self._with_native_key(config, lambda cfg: lib.arc_srtp_add_key(self._handle, cfg, out))
        return int(out[0])

    def send_with(self, key_id: int) -> None:
        """Send with a key that was added.

        :raises ArgumentError: no such key.
        """
        check(lib.arc_srtp_send_with(self._handle, key_id), "SrtpPipeline.send_with")

    def retire_key(self, key_id: int, *, at_us: int = 0) -> None:
        """Wipe a key when ``at_us`` of the monotonic clock has come; 0: at once.

        :raises ArgumentError: no such key, or it is the one that sends.
        """
        check(lib.arc_srtp_retire_key(self._handle, key_id, at_us), "SrtpPipeline.retire_key")
        if at_us == 0:
            self.expire(0)
        self._note_expiry()

    def expire(self, now_us: int | None = None) -> None:
        """Wipe the keys whose time is over; None: by the monotonic clock."""
        lib.arc_srtp_expire(self._handle, _clock_us() if now_us is None else now_us)

    def _note_expiry(self) -> None:
        at_us = int(lib.arc_srtp_next_us(self._handle))
        self._expires_us = None if at_us == NEVER_US else at_us

    def _expire_by_clock(self) -> None:
        if self._expires_us is not None and _clock_us() >= self._expires_us:
            self.expire()
            self._note_expiry()

    def _with_native_key(self, config: SrtpConfig, call: Callable[[Any], int]) -> None:
        if config.profile != self._config.profile or len(config.mki) != len(self._config.mki):
            raise ConfigError(f"the new key is for {config.profile.name} with an MKI of {len(config.mki)} bytes, the "
                              f"pipeline has {self._config.profile.name} and {len(self._config.mki)}")
        cfg = ffi.new("struct arc_srtp_key_config *")
        try:
            native_key(config, cfg)
            check(call(cfg), "SrtpPipeline: new key")
        finally:
            ffi.buffer(cfg)[:] = bytes(ffi.sizeof(cfg[0]))

    @property
    def key_count(self) -> int:
        """Keys under which packets are accepted now, 1..4."""
        return int(lib.arc_srtp_key_count(self._handle))

    def poll_event(self) -> KeyEvent | None:
        """The oldest event that was not polled yet; None: there is none."""
        event = ffi.new("struct arc_srtp_event *")
        if not check(lib.arc_srtp_poll_event(self._handle, event), "SrtpPipeline.poll_event"):
            return None
        return KeyEvent(KeyEventType(event.type), event.key_id, event.sending, event.rtcp, event.left_pkts)

    # -- state

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
        self._out, self._room, self._room_bytes = None, ffi.NULL, 0
        ffi.release(handle)

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not there: after close(), the handle.
        if name == "_handle":
            raise ArgumentError("the SrtpPipeline is closed")
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"SrtpPipeline({self._config!r})"
