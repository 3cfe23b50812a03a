"""From stored keys to SRTP pipelines, and which pipelines are alive to be re-keyed."""
from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Sequence
from typing import Any

from arcrtc.keys.records import SessionKey
from arcrtc.srtp import SrtpConfig, SrtpPipeline


def srtp_config(key: SessionKey, roc: int = 0) -> SrtpConfig:
    """The configuration that a key stands for; it holds copies of key and salt, as plain bytes.

    :param roc: roll-over counter of the first packet, 0..2**32-1.
    :raises ConfigError: ``roc`` is out of range.
    """
    return SrtpConfig(key.master_key.reveal(), key.master_salt.reveal(), key.info.ssrc, roc, key.info.profile)


def rekey(pipeline: SrtpPipeline, config: SrtpConfig, overlap_s: float) -> None:
    """Send with another key from now on, and accept the one before for ``overlap_s``, rounded up to 1 ms."""
    live: Any = pipeline
    live.rekey(config, overlap_ms=math.ceil(1000 * overlap_s))


def make_pipeline(keys: Sequence[SessionKey], roc: int, now_s: float) -> SrtpPipeline:
    """A pipeline that sends with the newest of ``keys`` and accepts all of them until they expire.

    :param keys: one or two valid at ``now_s``, oldest first.
    """
    pipeline = SrtpPipeline(srtp_config(keys[0], roc))
    for before, key in itertools.pairwise(keys):
        expires_s = before.info.expires_s
        rekey(pipeline, srtp_config(key, roc), 0 if expires_s is None else expires_s - now_s)
    return pipeline


class LivePipelines:
    """The pipelines that a manager made, for as long as somebody else holds them."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: weakref.WeakKeyDictionary[SrtpPipeline, tuple[str, int]] = weakref.WeakKeyDictionary()

    def add(self, pipeline: SrtpPipeline, session_id: str, ssrc: int) -> None:
        """Note a new one."""
        self._made[pipeline] = (session_id, ssrc)

    def rekey(self, session_id: str, ssrc: int, key: SessionKey, overlap_s: float) -> None:
        """Re-key those of a session and SSRC that are not closed.

        :raises ArcError: one could not be re-keyed, the first such error; the others were.
        """
        failed: Exception | None = None
        for pipeline, owner in list(self._made.items()):
            if owner != (session_id, ssrc):
                continue
            if pipeline.closed:
                del self._made[pipeline]
                continue
            try:
                rekey(pipeline, srtp_config(key), overlap_s)
            except Exception as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def forget(self, session_id: str) -> None:
        """Re-key none of a session any more."""
        for pipeline, owner in list(self._made.items()):
            if owner[0] == session_id:
                del self._made[pipeline]

    def __len__(self) -> int:
        return len(self._made)
