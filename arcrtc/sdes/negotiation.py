"""Offer and answer: both sides agree on one ``a=crypto`` line, and each tells its own key.

Source: RFC 4568 sections 5.1 and 7.1.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from arcrtc._native import lib
from arcrtc._ranges import check_int
from arcrtc.errors import ConfigError, NegotiationError
from arcrtc.sdes.attribute import CryptoAttribute
from arcrtc.sdes.parameters import FEC_ORDERS, SessionParameters
from arcrtc.sdes.suites import SUITE_PROFILES
from arcrtc.srtp import SrtpConfig

_KEYS_MAX: Final = int(lib.ARC_SRTP_KEYS_MAX)


@dataclass(frozen=True, slots=True)
class CryptoPolicy:
    """What a side is willing to use. As it stands: all that an SrtpPipeline can do.

    :ivar suites: those that are allowed, best first; the order is that of our own offers.
    :ivar allow_unencrypted_srtp: RTP may go in clear. No pipeline of ours sends such
        packets: :meth:`CryptoAttribute.to_config` refuses. For those who negotiate for others.
    :ivar allow_unencrypted_srtcp: the same of RTCP.
    :ivar allow_unauthenticated_srtp: the same of RTP without a tag.
    :ivar allow_kdr: session keys may be derived anew.
    :ivar fec_orders: which of ``FEC_SRTP`` and ``SRTP_FEC`` are allowed.
    :ivar separate_fec: a repair stream may go to another address or port, with keys of its own.
    :ivar max_keys: keys a line may have, 1..1000; a pipeline takes four.
    :raises ConfigError: out of range; names the field.
    """

    suites: tuple[str, ...] = tuple(SUITE_PROFILES)
    allow_unencrypted_srtp: bool = False
    allow_unencrypted_srtcp: bool = False
    allow_unauthenticated_srtp: bool = False
    allow_kdr: bool = True
    fec_orders: tuple[str, ...] = ("FEC_SRTP",)
    separate_fec: bool = False
    max_keys: int = _KEYS_MAX

    def __post_init__(self) -> None:
        for name, allowed in (("suites", tuple(SUITE_PROFILES)), ("fec_orders", FEC_ORDERS)):
            given = tuple(getattr(self, name))
            object.__setattr__(self, name, given)
            if not given or not set(given) <= set(allowed) or len(set(given)) < len(given):
                raise ConfigError(f"{name}={given!r} must be some of {', '.join(allowed)}, each once")
        check_int("max_keys", self.max_keys, 1, 1000)

    def objection(self, attribute: CryptoAttribute) -> str | None:
        """Why a line is not acceptable; None: it is."""
        parameters = attribute.parameters
        if attribute.suite not in self.suites:
            return f"{attribute.suite} is not allowed"
        for word in parameters.negotiated:
            if not getattr(self, f"allow_{word.lower()}"):
                return f"{word} is not allowed"
        if parameters.unauthenticated_srtp and attribute.profile.is_aead:
            return f"{attribute.suite} cannot be without a tag"
        if parameters.kdr is not None and not self.allow_kdr:
            return "KDR is not allowed"
        if (parameters.fec_order or "FEC_SRTP") not in self.fec_orders:
            return f"FEC_ORDER={parameters.fec_order or 'FEC_SRTP'} is not allowed"
        if parameters.fec_keys and not self.separate_fec:
            return "FEC_KEY without a separate repair stream"  # RFC 4568 section 6.3.5
        if len(attribute.keys) > self.max_keys:
            return f"{len(attribute.keys)} keys, {self.max_keys} at most"
        return None


_DEFAULT_POLICY: Final = CryptoPolicy()


def make_offer(policy: CryptoPolicy = _DEFAULT_POLICY, **options: Any) -> tuple[CryptoAttribute, ...]:
    """A line for each suite that the policy allows, best first, each with a new random key.

    :param options: fields of SrtpConfig for all of them, ``mki`` or ``key_derivation_rate`` say.
    :raises ConfigError: an option is out of range or cannot be said in a session description.
    """
    return tuple(CryptoAttribute.from_config(SrtpConfig.generate(SUITE_PROFILES[suite], **options), tag)
                 for tag, suite in enumerate(policy.suites, 1))


def choose(offer: Sequence[CryptoAttribute], policy: CryptoPolicy = _DEFAULT_POLICY) -> CryptoAttribute:
    """The line of an offer to accept: the first that the policy allows (RFC 4568 section 5.1.2).

    :raises NegotiationError: none; says why of each. The stream must be refused: it never
        goes unprotected instead.
    """
    objections = []
    for attribute in offer:
        objection = policy.objection(attribute)
        if objection is None:
            return attribute
        objections.append(f"tag {attribute.tag}: {objection}")
    raise NegotiationError("no a=crypto line can be accepted: " + ("; ".join(objections) or "there is none"))


def make_answer(accepted: CryptoAttribute, config: SrtpConfig | None = None, *,
                others: Sequence[SrtpConfig] = ()) -> CryptoAttribute:
    """The line of the answer: tag and suite of the accepted one, and the keys that we send with.

    :param config: key and options of what we send, of the same profile; None: a new random key.
    :param others: more keys, as in :meth:`CryptoAttribute.from_config`.
    :raises ConfigError: another profile, or a key of the offer: both sides must have their
        own (RFC 4568 section 7.1.2).
    """
    if config is None:
        config = SrtpConfig.generate(accepted.profile)
    if config.profile is not accepted.profile:
        raise ConfigError(f"config has the profile {config.profile.name}, accepted is {accepted.suite}")
    own = CryptoAttribute.from_config(config, accepted.tag, others=others)
    if _shares_key(own, [accepted]):
        raise ConfigError("config has a key of the offer; each side must have its own")
    asked = accepted.parameters  # negotiated parameters are repeated (RFC 4568 section 5.1.2)
    return replace(own, parameters=replace(
        own.parameters, unencrypted_srtp=asked.unencrypted_srtp, unencrypted_srtcp=asked.unencrypted_srtcp,
        unauthenticated_srtp=asked.unauthenticated_srtp))


def check_answer(offer: Sequence[CryptoAttribute], answer: Sequence[CryptoAttribute],
                 policy: CryptoPolicy = _DEFAULT_POLICY) -> CryptoAttribute:
    """The line of our offer that an answer accepted (RFC 4568 sections 5.1.3 and 7.1.3).

    :param answer: the lines of the answer; just one is right.
    :returns: ours; what we send goes by it, what we receive by ``answer[0]``.
    :raises NegotiationError: the answer does not fit the offer, or the policy forbids it.
    """
    if len(answer) != 1:
        raise NegotiationError(f"an answer has one a=crypto line, this one {len(answer)}")
    theirs = answer[0]
    ours = next((a for a in offer if a.tag == theirs.tag), None)
    if ours is None:
        raise NegotiationError(f"the answer has tag {theirs.tag}, which was not offered")
    if theirs.suite != ours.suite:
        raise NegotiationError(f"tag {ours.tag} was offered with {ours.suite}, and answered with {theirs.suite}")
    if theirs.parameters.negotiated != ours.parameters.negotiated:
        raise NegotiationError(f"the answer has other parameters than tag {ours.tag} of the offer: "
                               f"{_words(theirs.parameters)} for {_words(ours.parameters)}")
    if _shares_key(theirs, offer):
        raise NegotiationError("the answer has a key of the offer; each side must have its own")
    objection = policy.objection(theirs)
    if objection is not None:
        raise NegotiationError(f"the answer cannot be used: {objection}")
    return ours


def _words(parameters: SessionParameters) -> str:
    return " ".join(parameters.negotiated) or "none"


def _shares_key(one: CryptoAttribute, others: Sequence[CryptoAttribute]) -> bool:
    def keys(attribute: CryptoAttribute) -> set[bytes]:
        return {key.key_salt for key in (*attribute.keys, *attribute.parameters.fec_keys)}

    return any(keys(one) & keys(other) for other in others)
