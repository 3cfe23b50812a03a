"""The E-model: how people would rate a telephone call, from what is known of its path.

ITU-T G.107 (06/2015) for narrowband, 300..3400 Hz, and of G.107.1 (06/2015), its wideband
sister for 50..7000 Hz, the parts that concern packets: the scale, delay, codecs and their
losses. Numbers in, one rating R out; R becomes a mean opinion score by mos_of_r().

It is a model for planning: good for comparing paths, not for what one listener thinks of
one call. What codecs contribute stands in :mod:`arcrtc.audio.equipment`, what a live
stream says of itself in :mod:`arcrtc.audio.figures`.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from arcrtc._ranges import check_float

R_NARROWBAND: Final = 93.2  #: R of G.107 when every parameter has its default value
R_WIDEBAND: Final = 129.0  #: the same of G.107.1: the top of the scale that both share
_MOST_MOS: Final = 4.5
_LEAST_R_OF_MOS: Final = 6.5  # below it the cubic of Annex B falls under 1
_WORST_IE: Final = 95.0  # G.107 equation 7-29: what is left when every packet is lost
_MOST_MS: Final = 600_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicePath:
    """Parameters of a narrowband connection, G.107 table 2, with the defaults stated there.

    Ranges are those in which the formulas can be evaluated; the Recommendation vouches for
    less: losses up to 20 %, delays up to 500 ms, burst ratios of 1..8.

    :ivar slr: send loudness rating, dB, -20..40.
    :ivar rlr: receive loudness rating, dB, -20..40.
    :ivar stmr: sidetone masking rating, dB, 0..40.
    :ivar lstr: listener sidetone rating, dB, 0..40.
    :ivar ds: D-value of the telephone, send side, dB, -10..10.
    :ivar telr: talker echo loudness rating, dB, 0..100.
    :ivar wepl: weighted echo path loss, dB, 0..200.
    :ivar echo_delay_ms: T, mean one-way delay of the echo path, 0..600000.
    :ivar round_trip_ms: Tr, delay in the four-wire loop, 0..600000.
    :ivar delay_ms: Ta, absolute one-way delay without echo, 0..600000.
    :ivar quantizing_units: qdu, 1..14.
    :ivar circuit_noise_dbm0p: Nc, -120..0.
    :ivar noise_floor_dbmp: Nfor at the receive side, -120..0.
    :ivar room_send_dba: Ps, room noise, dB(A), 0..120.
    :ivar room_receive_dba: Pr, likewise.
    :ivar ie: equipment impairment factor without loss, 0..95.
    :ivar bpl: packet-loss robustness factor, 0.1..1000.
    :ivar loss_pct: Ppl, packets lost at random, percent, 0..100.
    :ivar burst_ratio: mean length of bursts over that of random losses, 0.1..1000.
    :ivar advantage: A, what users put up with for the sake of mobility, 0..20.
    :raises ConfigError: a value is outside its range.
    """

    slr: float = 8.0
    rlr: float = 2.0
    stmr: float = 15.0
    lstr: float = 18.0
    ds: float = 3.0
    telr: float = 65.0
    wepl: float = 110.0
    echo_delay_ms: float = 0.0
    round_trip_ms: float = 0.0
    delay_ms: float = 0.0
    quantizing_units: float = 1.0
    circuit_noise_dbm0p: float = -70.0
    noise_floor_dbmp: float = -64.0
    room_send_dba: float = 35.0
    room_receive_dba: float = 35.0
    ie: float = 0.0
    bpl: float = 4.3
    loss_pct: float = 0.0
    burst_ratio: float = 1.0
    advantage: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            check_float(name, getattr(self, name), low, high)


_RANGES: Final[dict[str, tuple[float, float]]] = {
    "slr": (-20, 40), "rlr": (-20, 40), "stmr": (0, 40), "lstr": (0, 40), "ds": (-10, 10), "telr": (0, 100),
    "wepl": (0, 200), "echo_delay_ms": (0, _MOST_MS), "round_trip_ms": (0, _MOST_MS), "delay_ms": (0, _MOST_MS),
    "quantizing_units": (1, 14), "circuit_noise_dbm0p": (-120, 0), "noise_floor_dbmp": (-120, 0),
    "room_send_dba": (0, 120), "room_receive_dba": (0, 120), "ie": (0, 95), "bpl": (0.1, 1000),
    "loss_pct": (0, 100), "burst_ratio": (0.1, 1000), "advantage": (0, 20)}


@dataclass(frozen=True, slots=True)
class Rating:
    """What the model says of a path: R = ro - simultaneous - delay - equipment + advantage.

    :ivar r: rating, 0 at the lowest; up to 93.2 narrowband and 129 wideband.
    :ivar mos: mean opinion score of it, 1..4.5.
    :ivar ro: basic signal-to-noise ratio.
    :ivar simultaneous: Is, what happens at the same time as the voice: loudness, sidetone, quantizing.
    :ivar delay: Id, delay and echo.
    :ivar equipment: Ie,eff, codecs and lost packets.
    """

    r: float
    mos: float
    ro: float
    simultaneous: float
    delay: float
    equipment: float


def rate(path: VoicePath) -> Rating:
    """Rate a narrowband path by G.107."""
    no = _noise(path)
    ro = 15 - 1.5 * (path.slr + no)  # equation 7-2
    simultaneous = _simultaneous(path, ro, no)
    delay = _delay(path, ro, no)
    equipment = equipment_impairment(path.ie, path.bpl, path.loss_pct, path.burst_ratio)
    r = max(0.0, ro - simultaneous - delay - equipment + path.advantage)
    return Rating(r, mos_of_r(r), ro, simultaneous, delay, equipment)


def rate_wideband(*, ie: float, bpl: float, loss_pct: float = 0.0, burst_ratio: float = 1.0,
                  delay_ms: float = 0.0, advantage: float = 0.0) -> Rating:
    """Rate a wideband path by G.107.1, everything but packets and delay at its default.

    :param ie: wideband equipment impairment factor, 0..95; the others as in VoicePath.
    :raises ConfigError: a value is outside its range.
    """
    given = {"ie": ie, "bpl": bpl, "loss_pct": loss_pct, "burst_ratio": burst_ratio, "delay_ms": delay_ms,
             "advantage": advantage}
    for name, value in given.items():
        check_float(name, value, *_RANGES[name])
    delay, equipment = delay_impairment(delay_ms), equipment_impairment(ie, bpl, loss_pct, burst_ratio)
    r = min(R_WIDEBAND, max(0.0, R_WIDEBAND - delay - equipment + advantage))
    return Rating(r, mos_of_r(r * 100 / R_WIDEBAND), R_WIDEBAND, 0.0, delay, equipment)  # G.107.1 Annex A


def mos_of_r(r: float) -> float:
    """Mean opinion score, 1..4.5, of a narrowband rating (G.107 Annex B); for a wideband one give r / 1.29."""
    if r >= 100:
        return _MOST_MOS
    if r <= _LEAST_R_OF_MOS:
        return 1.0
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def r_of_mos(mos: float) -> float:
    """The narrowband rating, 6.5..100, that has this score: mos_of_r() the other way round.

    :param mos: below 1 and above 4.5 it is taken as 1 and 4.5.
    """
    low, high = _LEAST_R_OF_MOS, 100.0
    for _ in range(60):  # halved to less than a double can tell apart
        middle = (low + high) / 2
        low, high = (low, middle) if mos_of_r(middle) >= mos else (middle, high)
    return high


def equipment_impairment(ie: float, bpl: float, loss_pct: float, burst_ratio: float = 1.0) -> float:
    """Ie,eff: codec and lost packets together (G.107 equation 7-29, G.107.1 equation 7-17).

    :param ie: of the codec without loss. :param bpl: its robustness, larger is better.
    :param loss_pct: 0..100. :param burst_ratio: 1: random.
    :returns: ``ie`` .. 95.
    """
    return ie + (_WORST_IE - ie) * loss_pct / (loss_pct / burst_ratio + bpl)


def delay_impairment(delay_ms: float) -> float:
    """Idd: what absolute delay alone does to a conversation (G.107 equation 7-27, default sensitivity).

    :param delay_ms: one way, from mouth to ear. :returns: 0 up to 100 ms, 24 at 400 ms.
    """
    if delay_ms <= 100:
        return 0.0
    x = math.log2(delay_ms / 100)
    return 25 * (_sixth_root(1 + x**6) - 3 * _sixth_root(1 + (x / 3) ** 6) + 2)


def _sixth_root(x: float) -> float:
    return math.pow(x, 1 / 6)


def _noise(path: VoicePath) -> float:
    """No: all noise at the 0 dBr point, dBm0p (equations 7-3 to 7-7)."""
    olr = path.slr + path.rlr
    send = path.room_send_dba - path.slr - path.ds - 100 + 0.004 * (path.room_send_dba - olr - path.ds - 14) ** 2
    pre = path.room_receive_dba + 10 * math.log10(1 + 10 ** ((10 - path.lstr) / 10))
    receive = path.rlr - 121 + pre + 0.008 * (pre - 35) ** 2
    floor = path.noise_floor_dbmp + path.rlr
    return 10 * math.log10(sum(10 ** (x / 10) for x in (path.circuit_noise_dbm0p, send, receive, floor)))


def _simultaneous(path: VoicePath, ro: float, no: float) -> float:
    """Is: too loud, sidetone, quantizing distortion (equations 7-8 to 7-18)."""
    xolr = path.slr + path.rlr + 0.2 * (64 + no - path.rlr)
    loud = 20 * (math.pow(1 + (xolr / 8) ** 8, 1 / 8) - xolr / 8)
    g = 1.07 + 0.258 * (q := 37 - 15 * math.log10(path.quantizing_units)) + 0.0602 * q**2
    y, z = (ro - 100) / 15 + 46 / 8.4 - g / 9, 46 / 30 - g / 40
    return loud + _sidetone(path) + 15 * math.log10(1 + math.pow(10, y) + math.pow(10, z))


def _sidetone(path: VoicePath) -> float:
    """Ist: the talker's own voice, too loud or missing (equations 7-10 and 7-11)."""
    stmro = -10 * math.log10(10 ** (-path.stmr / 10) + math.exp(-path.echo_delay_ms / 4) * 10 ** (-path.telr / 10))
    return (12 * math.pow(1 + ((stmro - 13) / 6) ** 8, 1 / 8) - 28 * math.pow(1 + ((stmro + 1) / 19.4) ** 35, 1 / 35)
            - 13 * math.pow(1 + ((stmro - 3) / 33) ** 13, 1 / 13) + 29)


def _delay(path: VoicePath, ro: float, no: float) -> float:
    """Id: echo that the talker hears, echo that the listener hears, delay alone (equations 7-19 to 7-28)."""
    listener = 10.5 * (path.wepl + 7) * math.pow(path.round_trip_ms + 1, -0.25)
    idle = (ro - listener) / 2 + math.sqrt((ro - listener) ** 2 / 4 + 169)
    return _talker_echo(path, no) + idle + delay_impairment(path.delay_ms)


def _talker_echo(path: VoicePath, no: float) -> float:
    """Idte (equations 7-20 to 7-24), with the two exceptions for sidetone."""
    t = path.echo_delay_ms
    if t < 1:
        return 0.0
    terv = path.telr - 40 * math.log10((1 + t / 10) / (1 + t / 150)) + 6 * math.exp(-0.3 * t**2)
    ist = _sidetone(path)
    if path.stmr < 9:
        terv += ist / 2
    apart = -1.5 * (no - path.rlr) - (80 + 2.5 * (terv - 14))
    idte = (apart / 2 + math.sqrt(apart**2 / 4 + 100) - 1) * (1 - math.exp(-t))
    return math.hypot(idte, ist) if path.stmr > 20 else idte
