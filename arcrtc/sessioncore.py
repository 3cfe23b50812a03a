"""The native session and its streams: what Session and the engine's Peer have in common."""
from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from arcrtc._native import check, error_for, ffi, lib
from arcrtc._ranges import check_int
from arcrtc.audio.codecs import NOISE_PAYLOAD_TYPE, find_codec
from arcrtc.audio.config import APPLICATIONS, BANDWIDTHS, AudioConfig
from arcrtc.audio.figures import QualityMeter
from arcrtc.audio.opusparameters import OpusParameters
from arcrtc.audio.sentopus import SentOpus
from arcrtc.config import REPORTS, SessionConfig, check_range
from arcrtc.errors import ConfigError
from arcrtc.events import Event, SentFrame, to_event
from arcrtc.fec import FecConfig, fill_send_config
from arcrtc.handles import AudioSender, Receiver, VideoSender
from arcrtc.redundancy import RedConfig, write_set
from arcrtc.srtp.config import SrtpConfig, native_config, native_key
from arcrtc.video.config import VideoCodec, VideoContent, VideoResolution, parse_codec, parse_content, parse_resolution
from arcrtc.video.encoders import CODECS, CONTENTS, choose, fallbacks

_WHY_BYTES: Final = 256
_VOICE_PROFILES: Final = {"conversation": lib.ARC_VOICE_CONVERSATION, "recognition": lib.ARC_VOICE_RECOGNITION}


def random_ssrc(rng: np.random.Generator | None) -> int:
    """An SSRC that is not zero (RFC 3550 section 8.1)."""
    return int(rng.integers(1, 2**32)) if rng is not None else secrets.randbelow(2**32 - 1) + 1



def _explained(status: int, what: str, why: Any) -> Exception:
    """The fitting error, with the core's own words if it has any."""
    error = error_for(status, what)
    text = ffi.string(why).decode(errors="replace")
    if not text:
        return error
    cls = ConfigError if status == lib.ARC_ERR_ARG else type(error)
    return cls(f"{what}: {text}")


def _check_types(payload_type: int, rtx_payload_type: int | None) -> None:
    """Numbers that fit the field; the core knows which of them are taken or reserved."""
    check_int("payload_type", payload_type, 0, 127)
    if rtx_payload_type is not None:
        check_int("rtx_payload_type", rtx_payload_type, 0, 127)


def _rtx_beside(payload_type: int) -> int:
    """The next number; beside a static payload type, next to which another static one stands, a dynamic one."""
    return payload_type + 1 if payload_type >= 96 else 113


def _check_dtmf_type(payload_type: int | None) -> int:
    """The payload type of telephone events; 0: none."""
    if payload_type is not None:
        check_int("dtmf_payload_type", payload_type, 1, 127)
    return payload_type or 0


class SessionCore:
    """The native session and its streams: what Session and Peer have in common."""

    _lent_pool = False  # whether packets come from the pool of a thread

    def __init__(self, config: SessionConfig, now_us: int, ntp_now: int) -> None:
        self.config = config
        self._rng = np.random.default_rng(config.seed) if config.seed is not None else None
        self._handle = self._open(now_us, ntp_now)
        self.senders: list[AudioSender | VideoSender] = []
        self.receivers: list[Receiver] = []
        self._ssrcs: set[int] = set()

    def _open(self, now_us: int, ntp_now: int) -> Any:
        config = self.config
        cfg = ffi.new("struct arc_session_config *")
        if config.srtp is not None:
            cfg.srtp = True
            native_config(config.srtp, ffi.addressof(cfg, "srtp_send"))
            native_config(config.srtp_receive or config.srtp, ffi.addressof(cfg, "srtp_receive"))
        cname = config.cname or (self._rng.bytes(12).hex() if self._rng is not None else secrets.token_hex(12))
        cfg.cname = cname.encode()
        cfg.seed = config.seed if config.seed is not None else secrets.randbits(64)
        cfg.ntp_at_zero = (ntp_now - (now_us // 10**6 << 32) - (now_us % 10**6 << 32) // 10**6) % 2**64
        cfg.pool_pkts = config.pool_pkts
        cfg.lent_pool = self._lent_pool
        cfg.max_sources = config.max_sources
        cfg.silence_us = 1000 * config.silence_ms
        cfg.mtu_bytes = config.mtu_bytes
        cfg.pace_percent = config.pace_percent
        cfg.nack = config.nack
        cfg.nack_audio = config.nack_audio
        cfg.reduced_size = config.reduced_size
        cfg.repair_percent = config.repair_percent
        cfg.reports = sum({REPORTS[name] for name in config.reports})
        out = ffi.new("struct arc_session **")
        status = lib.arc_session_new(cfg, now_us, out)
        ffi.memmove(cfg, bytes(ffi.sizeof("struct arc_session_config")), ffi.sizeof("struct arc_session_config"))
        check(status, "Session")
        return ffi.gc(out[0], lib.arc_session_free, 1 << 16 if self._lent_pool else config.pool_pkts * 2048)

    # --- keys ---

    def _rekey(self, srtp: SrtpConfig | None, srtp_receive: SrtpConfig | None, overlap_ms: int,
               call: Callable[[Any, Any, int], int]) -> None:
        """Check the new keys, lend them to ``call(send, receive, overlap_us)``, and wipe what was lent."""
        if self.config.srtp is None:
            raise ConfigError("rekey: the session has no SRTP")
        if srtp is None and srtp_receive is None:
            raise ConfigError("rekey: no key is given")
        check_int("overlap_ms", overlap_ms, 0, 86_400_000)
        present = self.config.srtp, self.config.srtp_receive or self.config.srtp
        given = srtp, srtp_receive or srtp
        if given[1] is not None and given[1].has_key_of(present[1]):
            given = srtp, None  # a call before this one has made it known
        lent = [ffi.NULL, ffi.NULL]
        try:
            for i, (old, new) in enumerate(zip(present, given, strict=True)):
                if new is None:
                    continue
                if new.profile != old.profile or len(new.mki) != len(old.mki):
                    raise ConfigError(f"rekey: the key is for {new.profile.name} with an MKI of {len(new.mki)} bytes, "
                                      f"the session has {old.profile.name} and {len(old.mki)}")
                lent[i] = ffi.new("struct arc_srtp_key_config *")
                native_key(new, lent[i])
            check(call(lent[0], lent[1], 1000 * overlap_ms), "rekey")
        finally:
            for key in lent:
                if key != ffi.NULL:
                    ffi.buffer(key)[:] = bytes(ffi.sizeof(key[0]))
        self.config = replace(self.config, srtp=srtp or present[0], srtp_receive=given[1] or present[1])

    # --- streams ---

    def _draw_ssrc(self, wanted: int | None) -> int:
        ssrc = wanted
        while ssrc is None or (wanted is None and ssrc in self._ssrcs):
            ssrc = random_ssrc(self._rng)
        check_range("ssrc", ssrc, 1, 2**32 - 1)
        self._ssrcs.add(ssrc)
        return ssrc

    def _add_send(self, cfg: Any, what: str) -> Any:
        out = ffi.new("struct arc_sendstream **")
        why = ffi.new("char[]", _WHY_BYTES)
        status = lib.arc_session_add_send(self._handle, cfg, out, why, _WHY_BYTES)
        if status != lib.ARC_OK:
            raise _explained(status, what, why)
        return out[0]

    def _add_recv(self, cfg: Any, what: str) -> Any:
        out = ffi.new("struct arc_recvstream **")
        why = ffi.new("char[]", _WHY_BYTES)
        status = lib.arc_session_add_recv(self._handle, cfg, out, why, _WHY_BYTES)
        if status != lib.ARC_OK:
            raise _explained(status, what, why)
        return out[0]

    def send_audio(self, *, codec: str = "opus", bitrate: int = 32_000, sample_rate: int | None = None,
                   channels: int = 1, frame_size_ms: float = 20, payload_type: int | None = None,
                   rtx_payload_type: int | None = None, ssrc: int | None = None, fec: bool = True,
                   dtx: bool = False, noise_payload_type: int | None = None,
                   dtmf_payload_type: int | None = None, expected_loss_pct: int = 5,
                   complexity: int = 9, application: str = "voip", max_bandwidth: str = "auto",
                   coded_channels: int = 0, vbr: bool = True, vbr_free: bool = False, dred_ms: int = 0,
                   parameters: OpusParameters | None = None,
                   packet_fec: FecConfig | None = None, red: RedConfig | None = None,
                   level_extension: int | None = None, play_limit_s: float = 60) -> AudioSender:
        """Open a sent audio stream.

        What concerns Opus alone, from ``complexity`` to ``dred_ms``, the bitrate and ``frame_size_ms`` change in place
        with :meth:`AudioSender.set_opus`.

        :param codec: "opus", "pcmu", "pcma", "g722" or "l16".
        :param bitrate: bits per second of Opus, 6000..510000; the others have one rate.
        :param sample_rate: of the frames to come: 8000, 12000, 16000, 24000 or 48000 Hz; PCMU and PCMA 8000,
            G.722 16000, L16 8000..48000. None: the codec's own; Opus and L16: 48000.
        :param channels: 1 or 2; PCMU, PCMA and G.722: 1.
        :param frame_size_ms: audio in a packet: 2.5, 5, 10, 20, 40, 60 ... 120; PCMU, PCMA, G.722: 10, 20 ... 60;
            L16: 1 to 60, as far as a datagram holds it.
        :param payload_type: 0..63 or 96..127; None: the static one of RFC 3551, 111 of Opus, 112 of L16.
        :param rtx_payload_type: of the retransmission stream; None: none, unless
            the session was made with nack_audio (then payload_type + 1).
        :param ssrc: None: a random one.
        :param fec: in-band FEC, as strong as the loss that the peer reports.
        :param dtx: send next to nothing while nobody speaks: Opus by itself, PCMU and PCMA by comfort noise.
        :param noise_payload_type: of that comfort noise (RFC 3389); None: 13 for PCMU and PCMA.
        :param dtmf_payload_type: of telephone events (RFC 4733), 101 for instance, for AudioSender.send_dtmf();
            None: none are sent.
        :param expected_loss_pct: loss assumed until the peer reports, 0..100.
        :param complexity: 0..10.
        :param application: "voip" (speech, coded as such), "audio" or "lowdelay".
        :param max_bandwidth: of the sound that is coded, as :class:`arcrtc.AudioConfig` has it; so are
            ``coded_channels``, ``vbr`` and ``vbr_free``.
        :param dred_ms: deep redundancy in each packet, 0..1040 ms in steps of 10; 0: none. It takes part of the
            bitrate, by the loss that the peer reports, and makes up for bursts.
        :param parameters: what the peer's description says of the Opus that it likes to receive
            (``MediaDescription.opus``): frame length, bitrate, bandwidth, channels, CBR, FEC and DTX are used as far
            as it likes them. None: as they are here.
        :param red: copies of past frames in later packets (RFC 2198), of Opus only; None: never. With copies
            ``fec`` is better off: at a low rate in-band FEC costs bandwidth of the sound.
        :param packet_fec: parity packets (RFC 5109, RFC 8627); None: none.
        :param level_extension: id, 1..14, under which each packet's header tells how loud it is and whether
            there is voice in it (RFC 6464); None: not sent.
        :param play_limit_s: sound that :meth:`AudioSender.play` holds at most, 0.001..600 s; its memory is
            taken by the first call of it.
        :raises ConfigError: a value is not allowed.
        :raises UnsupportedError: ``dred_ms``, and the libopus that is loaded has no DRED.
        """
        audio = find_codec(codec)
        sample_rate = audio.default_rate if sample_rate is None else sample_rate
        audio.check(sample_rate, channels)
        frame_us = audio.check_frame(sample_rate, frame_size_ms)
        check_int("bitrate", bitrate, lib.ARC_OPUS_MIN_BITRATE_BPS, lib.ARC_OPUS_MAX_BITRATE_BPS, "bit/s")
        sent_opus = SentOpus(dred_ms=dred_ms, parameters=parameters, wished=AudioConfig(
            bitrate=bitrate, sample_rate=sample_rate, channels=channels, frame_size_ms=frame_size_ms, dtx=dtx, fec=fec,
            complexity=complexity, application=application, expected_loss_pct=expected_loss_pct, vbr=vbr,
            vbr_free=vbr_free, max_bandwidth=max_bandwidth, coded_channels=coded_channels)) if audio.is_opus else None
        if sent_opus is not None:
            used = sent_opus.used
            bitrate, dtx, fec, frame_us = used.bitrate, used.dtx, used.fec, round(used.frame_size_ms * 1000)
        payload_type = audio.static_payload_type(sample_rate, channels) if payload_type is None else payload_type
        noise_payload_type = NOISE_PAYLOAD_TYPE if noise_payload_type is None else noise_payload_type
        _check_types(payload_type, rtx_payload_type)
        check_int("level_extension", 0 if level_extension is None else level_extension, level_extension is not None, 14)
        if not 0.001 <= play_limit_s <= lib.ARC_PLAYQUEUE_MAX_MS / 1000:
            raise ConfigError(f"play_limit_s={play_limit_s} is outside 0.001..{lib.ARC_PLAYQUEUE_MAX_MS // 1000}")
        check_int("noise_payload_type", noise_payload_type, 1, 127)
        if rtx_payload_type is None and self.config.nack and self.config.nack_audio:
            rtx_payload_type = _rtx_beside(payload_type)
        cfg = ffi.new("struct arc_send_config *")
        cfg.kind = lib.ARC_MEDIA_AUDIO
        cfg.ssrc = self._draw_ssrc(ssrc)
        cfg.payload_type = payload_type
        cfg.rtx_payload_type = -1 if rtx_payload_type is None else rtx_payload_type
        cfg.rtx_ssrc = 0 if rtx_payload_type is None else self._draw_ssrc(None)
        cfg.audio_codec = audio.ident
        cfg.noise_payload_type = noise_payload_type if audio.has_noise and dtx else 0
        cfg.dtmf_payload_type = _check_dtmf_type(dtmf_payload_type)
        cfg.frame_us = frame_us
        if red is not None:
            cfg.red_payload_type = red.payload_type
            write_set(red, cfg.red)
            cfg.red_wideband_below_bps = red.wideband_below_bps
        cfg.level_id = level_extension or 0
        cfg.play_max_ms = int(play_limit_s * 1000)
        self._fill_fec(cfg, packet_fec)
        opus = cfg.opus
        opus.sample_rate_hz = sample_rate
        opus.channels = channels
        opus.bitrate_bps = bitrate
        opus.dtx = dtx
        if sent_opus is not None:
            opus.complexity, opus.application = complexity, APPLICATIONS.index(application)
            opus.expected_loss_pct = expected_loss_pct
            opus.fec, opus.vbr, opus.vbr_free = fec, used.vbr, vbr_free
            cfg.max_bandwidth, cfg.coded_channels = BANDWIDTHS.index(used.max_bandwidth), used.coded_channels
            cfg.dred_ms = dred_ms
        sender = AudioSender(self, self._add_send(cfg, "send_audio"), cfg.ssrc, payload_type, sample_rate, channels,
                             red, has_dtmf=dtmf_payload_type is not None, sent_opus=sent_opus)
        sender.rtx_payload_type, sender.packet_fec = rtx_payload_type, packet_fec
        self.senders.append(sender)
        return sender

    def send_video(self, *, codec: str | VideoCodec = "h264", encoder: str = "auto", bitrate: int = 1_500_000,
                   resolution: str | tuple[int, int] | VideoResolution = "720p", frame_rate: float = 30,
                   keyframe_interval: int = 0, payload_type: int = 97, rtx_payload_type: int | None = 98,
                   ssrc: int | None = None, threads: int = 0, speed: int = -1,
                   packet_fec: FecConfig | None = None, content: str | VideoContent = VideoContent.CAMERA,
                   temporal_layers: int = 1, spatial_layers: int = 1, intra_refresh: bool = False,
                   packetization_mode: int = 1) -> VideoSender:
        """Open a sent video stream.

        :param codec: "h264", "vp8", "vp9" or "av1".
        :param encoder: "auto", "software", "nvenc", "vaapi" ... or a library's name such as "libx264". One that
            fails while the stream runs is replaced by the next one of its codec, with a key frame and the event
            ENCODER_REPLACED.
        :param bitrate: bits per second, 10_000..10**9; changed in place with set_bitrate().
        :param resolution: "360p" ... "4320p", (width, height) or a VideoResolution.
        :param frame_rate: frames per second, what the rate control plans with.
        :param keyframe_interval: frames between key frames; 0: only on request.
        :param rtx_payload_type: of the retransmission stream (RFC 4588); None: none.
        :param threads: slices coded in parallel, 1..16; 0: by size and cores.
        :param speed: 0 best picture ... 7 quickest; -1: by size and cores.
        :param packet_fec: parity packets (RFC 5109, RFC 8627); None: none.
        :param content: "camera" or "screen".
        :param temporal_layers: 1..3, :param spatial_layers: 1..3, where the encoder has them.
        :param intra_refresh: heal losses without key frames, where the encoder can.
        :param packetization_mode: of H.264 (RFC 6184): 1, or 0 for peers that take single NAL units only.
        :raises ConfigError: a value is not allowed.
        :raises UnsupportedError: no such encoder works here; the message says why.
        """
        video_codec = parse_codec(codec)
        width, height = parse_resolution(resolution)
        _check_types(payload_type, rtx_payload_type)
        check_range("frame_rate", frame_rate, 1, 240)
        check_int("bitrate", bitrate, lib.ARC_VENC_MIN_BPS, lib.ARC_VENC_MAX_BPS, "bit/s")
        check_int("keyframe_interval", keyframe_interval, 0, 2**31 - 1, "frames")
        check_int("threads", threads, 0, 16)
        check_int("speed", speed, -1, lib.ARC_VENC_MAX_SPEED)
        check_int("temporal_layers", temporal_layers, 1, 3)
        check_int("spatial_layers", spatial_layers, 1, 3)
        check_int("packetization_mode", packetization_mode, 0, 1)
        name, passed_over = choose(video_codec, encoder)
        cfg = ffi.new("struct arc_send_config *")
        cfg.kind = lib.ARC_MEDIA_VIDEO
        cfg.ssrc = self._draw_ssrc(ssrc)
        cfg.payload_type = payload_type
        cfg.rtx_payload_type = -1 if rtx_payload_type is None else rtx_payload_type
        cfg.rtx_ssrc = 0 if rtx_payload_type is None else self._draw_ssrc(None)
        self._fill_fec(cfg, packet_fec)
        video = cfg.video
        video.name = name.encode()
        video.codec = CODECS[video_codec]
        video.width, video.height = width, height
        video.frame_rate_num, video.frame_rate_den = round(frame_rate * 1000), 1000
        video.bitrate_bps = bitrate
        video.keyframe_interval_frames = keyframe_interval
        video.threads, video.speed = threads, speed
        video.content = CONTENTS[parse_content(content)]
        video.temporal_layers, video.spatial_layers = temporal_layers, spatial_layers
        video.intra_refresh = intra_refresh
        cfg.single_nal = packetization_mode == 0
        cfg.flexible = video_codec is VideoCodec.VP9
        for slot, other in zip(cfg.fallbacks, fallbacks(video_codec, name), strict=False):
            ffi.buffer(slot)[:len(other)] = other.encode()
        sender = VideoSender(self, self._add_send(cfg, "send_video"), cfg.ssrc, payload_type, width, height,
                             frame_rate, list(passed_over))
        sender.rtx_payload_type, sender.packet_fec = rtx_payload_type, packet_fec
        self.senders.append(sender)
        return sender

    def _fill_fec(self, cfg: Any, config: FecConfig | None) -> None:
        if config is not None:
            fill_send_config(cfg.fec, config, 0 if config.in_stream else self._draw_ssrc(config.ssrc))

    def _recv_config(self, kind: int, payload_type: int, rtx_payload_type: int | None,
                     packet_fec: FecConfig | None) -> Any:
        _check_types(payload_type, rtx_payload_type)
        cfg = ffi.new("struct arc_recv_config *")
        cfg.kind = kind
        cfg.payload_type = payload_type
        cfg.rtx_payload_type = -1 if rtx_payload_type is None else rtx_payload_type
        if packet_fec is not None:
            cfg.fec_format, cfg.fec_payload_type = packet_fec.format, packet_fec.payload_type
        cfg.min_latency_ms = self.config.min_latency_ms
        cfg.max_latency_ms = self.config.max_latency_ms
        cfg.initial_latency_ms = self.config.start_latency_ms
        cfg.adaptive = self.config.adaptive
        return cfg

    def receive_audio(self, *, codec: str = "opus", payload_type: int | None = None,
                      rtx_payload_type: int | None = None, sample_rate: int | None = None, channels: int = 1,
                      noise_payload_type: int | None = None, dtmf_payload_type: int | None = None,
                      packet_fec: FecConfig | None = None, red_payload_type: int | None = None,
                      level_extension: int | None = None, profile: str = "conversation") -> Receiver:
        """Be ready for an audio stream; its SSRC is learned from its first authentic packet.

        :param codec: "opus", "pcmu", "pcma", "g722" or "l16".
        :param payload_type: 0..63 or 96..127; None: the static one of RFC 3551, 111 of Opus, 112 of L16.
        :param sample_rate: of the blocks that come out: 8000, 12000, 16000, 24000 or 48000 Hz; L16 as it is sent.
            None: the codec's own; Opus and L16: 48000.
        :param channels: of the blocks that come out, 1 or 2, whatever is sent; of L16 as it is sent.
        :param noise_payload_type: of comfort noise beside PCMU and PCMA (RFC 3389); None: 13.
        :param red_payload_type: of packets with copies of past ones (RFC 2198), of Opus only, 1..63 or 96..127;
            a resend (RFC 4588) is taken for one of these. None: none come.
        :param dtmf_payload_type: of telephone events (RFC 4733), whose keys come as events DTMF and DTMF_END;
            None: none are taken.
        :param packet_fec: format and payload type of the parity packets that come with it; None: none.
        :param level_extension: id, 1..14, of the level in the packets' headers (RFC 6464); stats() then show it
            under ``network``: ``level_neg_dbov`` and ``voice`` of the last packet. None: not read.
        :param profile: who listens. "conversation": a person, with the lowest delay at rare concealment.
            "recognition": a machine; nothing is stretched or made up, and what is lost comes as zeros of its true
            length, marked ``Concealment.GAP``. PCMU, PCMA and G.722 then come at a multiple of their own rate.
        :raises ConfigError: a value is not allowed.
        """
        if profile not in _VOICE_PROFILES:
            raise ConfigError(f"profile={profile!r} is not one of {', '.join(_VOICE_PROFILES)}")
        audio = find_codec(codec)
        sample_rate = audio.default_rate if sample_rate is None else sample_rate
        if payload_type is None:
            payload_type = audio.static_payload_type(sample_rate, channels)
        noise_payload_type = NOISE_PAYLOAD_TYPE if noise_payload_type is None else noise_payload_type
        check_int("noise_payload_type", noise_payload_type, 1, 127)
        if rtx_payload_type is None and self.config.nack and self.config.nack_audio:
            rtx_payload_type = _rtx_beside(payload_type)
        check_int("sample_rate", sample_rate, 8000, 48_000, "Hz")
        check_int("channels", channels, 1, 2)
        cfg = self._recv_config(lib.ARC_MEDIA_AUDIO, payload_type, rtx_payload_type, packet_fec)
        check_int("level_extension", 0 if level_extension is None else level_extension, level_extension is not None, 14)
        cfg.level_id = level_extension or 0
        cfg.sample_rate_hz = sample_rate
        cfg.channels = channels
        cfg.audio_codec = audio.ident
        cfg.sent_rate_hz = sample_rate
        cfg.profile = _VOICE_PROFILES[profile]
        cfg.noise_payload_type = noise_payload_type if audio.has_noise else 0
        if red_payload_type is not None:
            check_int("red_payload_type", red_payload_type, 1, 127)
            cfg.red_payload_type = red_payload_type
        cfg.dtmf_payload_type = _check_dtmf_type(dtmf_payload_type)
        receiver = Receiver(self, self._add_recv(cfg, "receive_audio"), "audio", payload_type,
                            meter=QualityMeter(sample_rate, audio.name))
        self.receivers.append(receiver)
        return receiver

    def receive_video(self, *, codec: str | VideoCodec = "h264", payload_type: int = 97,
                      rtx_payload_type: int | None = 98, threads: int = 1,
                      packet_fec: FecConfig | None = None) -> Receiver:
        """Be ready for a video stream; its SSRC is learned from its first authentic packet.

        :param codec: "h264", "vp8", "vp9" or "av1".
        :param threads: of the decoder, 1..16.
        :param packet_fec: format and payload type of the parity packets that come with it; None: none.
        :raises ConfigError: a value is not allowed.
        """
        video_codec = parse_codec(codec)
        check_int("threads", threads, 1, 16)
        cfg = self._recv_config(lib.ARC_MEDIA_VIDEO, payload_type, rtx_payload_type, packet_fec)
        cfg.codec = CODECS[video_codec]
        cfg.threads = threads
        receiver = Receiver(self, self._add_recv(cfg, "receive_video"), "video", payload_type)
        self.receivers.append(receiver)
        return receiver

    # --- what the native session tells ---

    def poll_event(self) -> Event | None:
        """Return the next event; None: nothing happened. Unread events are bounded; the newest are lost."""
        out = ffi.new("struct arc_event *")
        if lib.arc_session_poll_event(self._handle, out) != lib.ARC_OK:
            return None
        return self._event(out)

    def _event(self, out: Any) -> Event:
        """The event that the core told of."""
        if out.type == lib.ARC_EVENT_SSRC_CHANGED and 0 <= out.stream < len(self.senders):
            self.senders[out.stream].ssrc = out.value
        return to_event(out)

    def poll_sent(self) -> SentFrame | None:
        """Return the next frame that has left altogether; None: none. Bounded like events."""
        out = ffi.new("struct arc_sent_frame *")
        if lib.arc_session_poll_sent(self._handle, out) != lib.ARC_OK:
            return None
        return SentFrame(stream=out.stream, rtp_timestamp=out.rtp_ts, is_keyframe=out.is_key, packets=out.pkts,
                         bytes=out.bytes, capture_us=out.capture_us, encoded_us=out.encoded_us,
                         first_us=out.first_us, last_us=out.last_us)
