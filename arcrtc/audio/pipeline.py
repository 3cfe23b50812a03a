"""Audio frames to packets and back (C module ``audio/opuscodec``; other codecs: :mod:`arcrtc.audio.telephony`)."""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, new_handle, read_view, write_view
from arcrtc.audio.codecs import AUDIO_CODECS
from arcrtc.audio.config import APPLICATIONS, BANDWIDTHS, AudioConfig, min_bitrate
from arcrtc.audio.frame import AudioFrame, lend_samples
from arcrtc.audio.telephony import TelephonyCodec
from arcrtc.errors import ArgumentError, CodecError, ConfigError

if TYPE_CHECKING:
    from arcrtc.rtp import RtpPacket

_ENCODER_BYTES: Final = 64_000  # told to the garbage collector, see opus_encoder_get_size
_DECODER_BYTES: Final = 32_000


def _lend_room(out: NDArray[np.float32]) -> Any:
    return write_view(out, "float", np.float32)


@dataclass(frozen=True, slots=True)
class AudioStats:
    """Counters of an :class:`AudioPipeline`, since it was made.

    :ivar encoded_frames: frames given to encode().
    :ivar dtx_frames: of these, frames for which nothing need be sent.
    :ivar decoded_packets: packets that were decoded.
    :ivar damaged_packets: packets that the codec refused.
    :ivar recovered_frames: lost frames rebuilt from in-band FEC.
    :ivar concealed_frames: lost frames made up.
    :ivar comfort_frames: frames of background noise in gaps that the sender left.
    """

    encoded_frames: int = 0
    dtx_frames: int = 0
    decoded_packets: int = 0
    damaged_packets: int = 0
    recovered_frames: int = 0
    concealed_frames: int = 0
    comfort_frames: int = 0


class AudioPipeline:
    """An encoder and an independent decoder with the same settings, of Opus or another codec.

    Not thread-safe: one thread at a time. Decoded frames are float32.

    :param config: settings; None: the defaults of :class:`AudioConfig`.
    :raises NoMemoryError: the core could not allocate.

    Source: RFC 6716, RFC 7587.
    """

    def __init__(self, config: AudioConfig | None = None) -> None:
        self._config = config = config or AudioConfig()
        self._clock_hz = AUDIO_CODECS[config.codec].clock_rate(config.sample_rate)
        self._allowed_samples = config.allowed_frame_samples
        self._usual_samples = config.frame_samples  # length of the last packet
        self._next_timestamp = 0
        self._stats = dict.fromkeys(asdict(AudioStats()), 0)
        self._other = TelephonyCodec(config) if config.codec != "opus" else None
        if self._other is None:
            self._open_opus(config)

    def _open_opus(self, config: AudioConfig) -> None:
        settings = ffi.new("struct arc_opus_enc_config *", {
            "sample_rate_hz": config.sample_rate,
            "channels": config.channels,
            "bitrate_bps": config.bitrate,
            "complexity": config.complexity,
            "application": APPLICATIONS.index(config.application),
            "expected_loss_pct": config.expected_loss_pct,
            "dtx": config.dtx,
            "fec": config.fec,
            "vbr": config.vbr,
            "vbr_free": config.vbr_free,
        })
        self._encoder = new_handle(lib.arc_opus_enc_new, lib.arc_opus_enc_free, "struct arc_opus_enc",
                                   settings, what="AudioPipeline", size=_ENCODER_BYTES)
        self._decoder = new_handle(lib.arc_opus_dec_new, lib.arc_opus_dec_free, "struct arc_opus_dec",
                                   config.sample_rate, config.channels, what="AudioPipeline",
                                   size=_DECODER_BYTES)
        self._packet = ffi.new("uint8_t[]", lib.ARC_OPUS_MAX_PACKET_BYTES)
        self._count = ffi.new("int32_t *")
        check(lib.arc_opus_enc_set_max_bandwidth(self._encoder, BANDWIDTHS.index(config.max_bandwidth)),
              "AudioPipeline")
        check(lib.arc_opus_enc_set_channels(self._encoder, config.coded_channels), "AudioPipeline")

    @classmethod
    def voip_optimized(cls) -> AudioPipeline:
        """For speech: 32 kb/s, 16 kHz, mono, 20 ms, with DTX, FEC and concealment."""
        return cls(AudioConfig(bitrate=32_000, sample_rate=16_000, channels=1, frame_size_ms=20,
                               dtx=True, fec=True, plc=True, application="voip"))

    def __repr__(self) -> str:
        c = self._config
        return f"AudioPipeline({c.codec}, {c.bitrate} bit/s, {c.sample_rate} Hz, {c.channels} channels)"

    @property
    def config(self) -> AudioConfig:
        """The settings as they are now."""
        return self._config

    @property
    def lookahead_samples(self) -> int:
        """Delay that the encoder adds, samples at ``config.sample_rate``; 0: none, or as good as none."""
        if self._other is not None:
            return 0
        return int(lib.arc_opus_enc_lookahead_samples(self._encoder))

    def stats(self) -> AudioStats:
        """Counters up to now."""
        return AudioStats(**self._stats)

    # Sending

    def encode(self, frame: AudioFrame) -> bytes:
        """Encode one frame into one packet's payload.

        :param frame: int16 or float32 at the rate and channels of the settings, of one of
            ``config.allowed_frame_samples``. Of floats, NaN counts as 0 and what is beyond
            -1..1 is clipped.
        :returns: a packet; b"" while DTX says that nothing need be sent.
        :raises ArgumentError: rate, channels or length do not fit; the message names the allowed ones.
        """
        config, n_samples = self._config, frame.n_samples
        if frame.sample_rate != config.sample_rate or frame.channels != config.channels:
            raise ArgumentError(
                f"the frame has {frame.sample_rate} Hz and {frame.channels} channels, the pipeline takes "
                f"{config.sample_rate} Hz and {config.channels}")
        if n_samples not in self._allowed_samples:
            raise ArgumentError(
                f"the frame has {n_samples} samples; at {config.sample_rate} Hz {config.codec} takes "
                f"{', '.join(map(str, self._allowed_samples))}")
        if self._other is not None:
            self._stats["encoded_frames"] += 1
            return self._other.encode(np.ascontiguousarray(frame.to_int16()))
        if config.bitrate < min_bitrate(n_samples, config.sample_rate):
            raise ArgumentError(f"frames of {frame.duration_ms} ms need a bitrate of at least "
                                f"{min_bitrate(n_samples, config.sample_rate)}")
        view = lend_samples(frame.samples)
        encode = (lib.arc_opus_enc_encode if frame.samples.dtype == np.int16
                  else lib.arc_opus_enc_encode_float)
        check(encode(self._encoder, view, n_samples, self._packet, len(self._packet), self._count), "encode")
        length = self._count[0]
        self._stats["encoded_frames"] += 1
        self._stats["dtx_frames"] += length == 0
        return bytes(ffi.buffer(self._packet, length))

    def create_rtp_packet(self, encoded: bytes, sequence_number: int, timestamp: int, ssrc: int,
                          payload_type: int, marker: bool = False) -> RtpPacket:
        """Put an encoded frame into an RTP packet (RFC 7587 section 4.2: one packet, one payload).

        :param encoded: what encode() gave; not empty.
        :param sequence_number: 0..65535.
        :param timestamp: of the first sample, ticks (of Opus 48 kHz, of G.722 8 kHz), 0..2^32-1.
        :param ssrc: 0..2^32-1.
        :param payload_type: 0..127.
        :param marker: first packet after a DTX gap (RFC 3551 section 4.1).
        :raises ArgumentError: ``encoded`` is empty (DTX: nothing is to be sent), or a field is out of range.
        """
        from arcrtc.rtp import RtpHeader, RtpPacket

        if not encoded:
            raise ArgumentError("nothing to send: the encoder is in DTX and gave an empty packet")
        header = RtpHeader(sequence_number=sequence_number, timestamp=timestamp, ssrc=ssrc,
                           payload_type=payload_type, marker=marker)
        return RtpPacket(header=header, payload=encoded)

    def set_bitrate(self, bitrate: int) -> None:
        """Change the target rate from the next frame on, without a break.

        :param bitrate: bit/s, as in :class:`AudioConfig`.
        :raises ConfigError: out of range; nothing changed.
        """
        self._change(lib.arc_opus_enc_set_bitrate, bitrate=bitrate)

    def set_expected_loss(self, percent: int) -> None:
        """Say how much loss the encoder must prepare for, 0..100 %.

        :raises ConfigError: out of range; nothing changed.
        """
        self._change(lib.arc_opus_enc_set_loss_pct, expected_loss_pct=percent)

    def set_complexity(self, complexity: int) -> None:
        """Trade CPU against quality, 0..10.

        :raises ConfigError: out of range; nothing changed.
        """
        self._change(lib.arc_opus_enc_set_complexity, complexity=complexity)

    def set_fec(self, fec: bool) -> None:
        """Turn in-band FEC on or off.

        :raises ConfigError: not a bool.
        """
        self._change(lib.arc_opus_enc_set_fec, fec=fec)

    def set_dtx(self, dtx: bool) -> None:
        """Turn discontinuous transmission on or off.

        :raises ConfigError: not a bool.
        """
        self._change(lib.arc_opus_enc_set_dtx, dtx=dtx)

    def set_max_bandwidth(self, bandwidth: str) -> None:
        """Bound the bandwidth of the coded audio: "nb" (4 kHz), "mb", "wb", "swb", "fb" (20 kHz) or "auto".

        :raises ConfigError: another name.
        """
        self._change(lambda e, name: lib.arc_opus_enc_set_max_bandwidth(e, BANDWIDTHS.index(name)),
                     max_bandwidth=bandwidth)

    def set_coded_channels(self, channels: int) -> None:
        """Code two channels as one (1), always as two (2), or as the encoder thinks best (0).

        :raises ConfigError: more than the frames have.
        """
        self._change(lib.arc_opus_enc_set_channels, coded_channels=channels)

    def set_application(self, application: str) -> None:
        """Change to "voip", "audio" or "lowdelay"; the encoder forgets the signal so far.

        :raises ConfigError: another name.
        """
        self._change(lambda e, name: lib.arc_opus_enc_set_application(e, APPLICATIONS.index(name)),
                     application=application)

    def set_vbr(self, vbr: bool, vbr_free: bool = False) -> None:
        """Packets of equal length, or as the signal needs it; see :class:`AudioConfig`.

        :raises ConfigError: not a bool.
        """
        self._change(lib.arc_opus_enc_set_vbr, vbr=vbr, vbr_free=vbr_free)

    def _change(self, setter: Any, **field: Any) -> None:
        name = next(iter(field))
        if self._other is not None:
            raise ConfigError(f"{name}: {self._config.codec} has no such setting")
        config = replace(self._config, **field)  # checks the value
        check(setter(self._encoder, *field.values()), f"set {name}")
        self._config = config

    # Receiving

    def extract_audio_frame(self, packet: RtpPacket, recover_lost: bool = False) -> AudioFrame:
        """Decode the audio of a received packet.

        :param packet: its payload is one Opus packet.
        :param recover_lost: give the lost frame *before* this packet instead, from the in-band FEC in
            it, or concealed if it carries none. Then call again without for the packet's own frame.
        :returns: float32, shape (n,) for mono or (n, 2); ``concealed`` says if it was made up.
        :raises CodecError: the payload is damaged; the next packet can be decoded all the same.
        """
        payload, timestamp = packet.payload, packet.header.timestamp
        if recover_lost:
            return self._recover(payload, timestamp)
        return self.decode(payload, timestamp)

    def decode(self, payload: bytes, timestamp: int = 0) -> AudioFrame:
        """Decode one Opus packet, without RTP around it.

        :param payload: bytes-like.
        :param timestamp: RTP time, goes into the frame.
        :returns: as extract_audio_frame().
        :raises CodecError: damaged; the next packet can be decoded all the same.
        """
        view = read_view(payload)
        if self._other is not None:
            return self._decode_other(self._other, view, timestamp)
        n_samples = lib.arc_opus_packet_samples(view, len(view), self._config.sample_rate)
        if n_samples == 0:
            self._damaged(len(view))
        out = self._room(n_samples)
        status = lib.arc_opus_dec_decode_float(self._decoder, view, len(view), _lend_room(out),
                                               n_samples, self._count)
        if status == lib.ARC_ERR_CODEC:
            self._damaged(len(view))
        check(status, "decode")
        self._stats["decoded_packets"] += 1
        self._usual_samples = n_samples
        return self._frame(out, timestamp, concealed=False)

    def _decode_other(self, codec: TelephonyCodec, view: Any, timestamp: int) -> AudioFrame:
        n_samples = codec.samples_in(view)
        samples = codec.decode(view, n_samples) if n_samples else None
        if samples is None:
            self._damaged(len(view))
        self._stats["decoded_packets"] += 1
        self._usual_samples = n_samples
        return self._frame(samples, timestamp, concealed=False)

    def conceal(self) -> AudioFrame:
        """One frame in place of a lost packet, as long as the packet before it.

        The level falls from 60 ms of loss on and is zero from 200 ms on. Silence if the
        settings say ``plc=False``.

        :returns: as extract_audio_frame(), with ``concealed`` set.
        """
        return self._conceal(self._next_timestamp)

    def comfort_noise(self) -> AudioFrame:
        """One frame of the talker's background noise for a gap that DTX left on purpose.

        In such a gap the time stamps jump and the sequence numbers do not. Other than
        conceal() it keeps its level.

        :returns: as extract_audio_frame(), with ``concealed`` set.
        """
        if self._other is not None:
            return self._conceal(self._next_timestamp)
        out = self._room(self._usual_samples)
        check(lib.arc_opus_dec_comfort_float(self._decoder, _lend_room(out), self._usual_samples),
              "comfort_noise")
        self._stats["comfort_frames"] += 1
        return self._frame(out, self._next_timestamp, concealed=True)

    def _conceal(self, timestamp: int) -> AudioFrame:
        if self._other is not None:
            self._stats["concealed_frames"] += 1
            return self._frame(self._other.conceal(self._usual_samples), timestamp, concealed=True)
        out = self._room(self._usual_samples)
        if self._config.plc:
            check(lib.arc_opus_dec_conceal_float(self._decoder, _lend_room(out), self._usual_samples),
                  "conceal")
        self._stats["concealed_frames"] += 1
        return self._frame(out, timestamp, concealed=True)

    def _recover(self, next_payload: bytes, next_timestamp: int) -> AudioFrame:
        view, n_samples = read_view(next_payload), self._usual_samples
        timestamp = (next_timestamp - self._ticks(n_samples)) % 2**32
        if self._other is not None:
            return self._conceal(timestamp)
        out = self._room(n_samples)
        status = lib.arc_opus_dec_decode_fec_float(self._decoder, view, len(view), _lend_room(out),
                                                   n_samples)
        if status == lib.ARC_ERR_CODEC:
            self._damaged(len(view))
        if not check(status, "extract_audio_frame"):
            return self._conceal(timestamp)
        self._stats["recovered_frames"] += 1
        return self._frame(out, timestamp, concealed=False)

    def _damaged(self, n_bytes: int) -> NoReturn:
        self._stats["damaged_packets"] += 1
        raise CodecError(f"{self._config.codec} packet of {n_bytes} bytes is damaged")

    def _room(self, n_samples: int) -> NDArray[np.float32]:
        shape = (n_samples,) if self._config.channels == 1 else (n_samples, self._config.channels)
        return np.zeros(shape, dtype=np.float32)

    def _ticks(self, n_samples: int) -> int:
        return n_samples * self._clock_hz // self._config.sample_rate

    def _frame(self, samples: NDArray[np.float32], timestamp: int, concealed: bool) -> AudioFrame:
        self._next_timestamp = (timestamp + self._ticks(len(samples))) % 2**32
        return AudioFrame(samples=samples, sample_rate=self._config.sample_rate,
                          channels=self._config.channels, timestamp=timestamp, concealed=concealed)
