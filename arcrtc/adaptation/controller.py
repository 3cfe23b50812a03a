"""Lets a repair policy drive the sent streams of a session: reads figures, decides, applies."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from arcrtc.adaptation.repair import RepairDecision, RepairPolicy, RepairPolicyConfig
from arcrtc.adaptation.repairmeans import RepairOffer, RepairPlan, RepairStats
from arcrtc.handles import AudioSender, VideoSender

PERIOD_US: Final = 1_000_000  #: between two decisions

#: Shapes of parity that are tried: packets under one parity, and (packets apart, packets under one parity).
_ROWS: Final = (2, 3, 4, 5, 8, 10, 16)
_COLUMNS: Final = ((2, 3), (3, 3), (4, 4), (5, 5), (4, 8), (8, 6))
_RED_DISTANCES: Final = (1, 2, 3, 4, 5, 6)
_FEWEST_COPIES: Final = 100  # before they tell how much somebody pauses
_LEAST_SHARE: Final = 0.05


class Repairable(Protocol):
    """A session or a peer of an engine."""

    config: Any
    senders: list[AudioSender | VideoSender]

    def stats(self) -> Any:
        """Its SessionStats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairChange:
    """A decision for one stream.

    :ivar stream: index of the sent stream, 0..7.
    :ivar decision: what was decided; it is in force.
    """

    stream: int
    decision: RepairDecision


class RepairController:
    """Decides once a second for each sent stream of a session what it is repaired with.

    What both sides can do is taken from how the streams were opened: ``rtx_payload_type`` and
    ``SessionConfig.nack`` for retransmission, ``red`` for copies, ``packet_fec`` for parity, ``fec`` for in-band
    FEC. A stream that was opened with none of them is left alone. In-band FEC is always as strong as the loss
    that the peer reports to be left.

    :param session: a Session or a Peer.
    :param audio: limits for streams of sound; None: 1 % wished, within twice the bitrate and 200 ms or the
        session's longest play-out delay.
    :param video: for pictures; None: 0.1 % wished, within 40 % of the bitrate.

    Threads: as those of ``session.stats()``, one at a time.
    """

    def __init__(self, session: Repairable, *, audio: RepairPolicyConfig | None = None,
                 video: RepairPolicyConfig | None = None) -> None:
        longest_ms = float(session.config.max_latency_ms)
        self._session = session
        self._audio = audio or RepairPolicyConfig(max_overhead=1.0, max_delay_ms=min(200.0, longest_ms))
        self._video = video or RepairPolicyConfig(media="video", wished_loss=0.001, max_overhead=0.4,
                                                  max_delay_ms=longest_ms, packet_ms=5.0)
        self._policies: dict[int, RepairPolicy] = {}
        self._applied: dict[int, RepairPlan] = {}
        self._last: dict[int, tuple[int, int, int]] = {}  # time, bytes of media and packets then
        self.next_us = 0

    @property
    def decisions(self) -> dict[int, RepairPlan]:
        """The plan in force of each stream that is taken care of, by index."""
        return dict(self._applied)

    def poll(self, now_us: int) -> list[RepairChange]:
        """Decide, if a second has passed; returns the decisions that changed something.

        :param now_us: monotonic clock, microseconds.
        """
        if now_us < self.next_us:
            return []
        self.next_us = now_us + PERIOD_US
        stats = self._session.stats()
        changes = []
        for sender in list(self._session.senders):
            row = stats.send[sender.index] if sender.index < len(stats.send) else None
            if row is None or not self._can(sender):
                continue
            decision = self._decide(sender, stats, now_us)
            if decision is not None and self._applied.get(sender.index) != decision.plan:
                self._apply(sender, decision.plan)
                self._applied[sender.index] = decision.plan
                changes.append(RepairChange(stream=sender.index, decision=decision))
        return changes

    # --- what there is ---

    def _can(self, sender: AudioSender | VideoSender) -> bool:
        return self._offer(sender) != RepairOffer()

    def _offer(self, sender: AudioSender | VideoSender) -> RepairOffer:
        red, fec = getattr(sender, "red", None), sender.packet_fec
        return RepairOffer(
            nack=sender.rtx_payload_type is not None and bool(self._session.config.nack),
            opus_fec=isinstance(sender, AudioSender) and sender.in_band_fec,
            red_distances=_RED_DISTANCES if red is not None else (),
            fec_rows=tuple(k for k in _ROWS if fec is not None and k <= fec.max_block_packets),
            fec_columns=tuple(c for c in _COLUMNS if fec is not None and c[0] * c[1] <= fec.max_block_packets),
            fec_both=fec is not None and fec.two_dimensional)

    def _policy(self, sender: AudioSender | VideoSender, packet_ms: float) -> RepairPolicy:
        policy = self._policies.get(sender.index)
        if policy is None:
            limits = replace(self._audio if sender.kind == "audio" else self._video,
                             packet_ms=min(max(packet_ms, 0.1), 120.0))
            policy = self._policies[sender.index] = RepairPolicy(limits, self._offer(sender))
        return policy

    # --- figures ---

    def _decide(self, sender: AudioSender | VideoSender, stats: Any, now_us: int) -> RepairDecision | None:
        network, media = stats.send[sender.index]["network"], stats.send[sender.index]["media"]
        was = self._last.get(sender.index)
        n_bytes = max(network["bytes"] - media["copy_bytes"], 0)
        self._last[sender.index] = (now_us, n_bytes, network["pkts"])
        if was is None or network["pkts"] == was[2]:
            return None  # nothing was sent, so nothing was learned
        elapsed_us, pkts = now_us - was[0], network["pkts"] - was[2]
        loss = network["remote_loss_before"]
        back = [r["network"]["loss_before"] for r in stats.receive]
        policy = self._policy(sender, elapsed_us / 1000 / pkts)
        policy.offer = replace(policy.offer, red_share=_red_share(sender, media))
        return policy.decide(RepairStats(
            loss_rate=min(loss if loss >= 0 else network["remote_loss"], 1.0),
            burst_length=max(network["remote_burst_length"], 0.0),
            rtt_ms=max(stats.session["rtt_us"], 0) / 1000,
            delay_ms=max(network["remote_delay_ms"], 0.0),
            reverse_loss=max(back, default=0.0),
            media_bps=8e6 * max(n_bytes - was[1], 0) / elapsed_us), now_us)

    # --- effect ---

    def _apply(self, sender: AudioSender | VideoSender, plan: RepairPlan) -> None:
        if getattr(sender, "red", None) is not None:
            sender.set_redundancy(*plan.red)  # type: ignore[union-attr]
        if sender.packet_fec is not None:
            fec = plan.fec
            if fec is None:
                sender.set_fec(0.0)
            else:
                sender.set_fec(min(fec.overhead, 1.0), max(fec.stride, 1), bool(fec.row and fec.column))


def _red_share(sender: AudioSender | VideoSender, media: dict[str, Any]) -> float:
    """Part of the frames that are copied: all, or where pauses are not, that which has been so far."""
    red = getattr(sender, "red", None)
    due = media["copies"] + media["copies_of_pauses"]
    if red is None or not red.speech_only or due < _FEWEST_COPIES:
        return 1.0
    return float(min(max(media["copies"] / due, _LEAST_SHARE), 1.0))
