"""From stored keys to SRTP pipelines, and which pipelines are alive to be re-keyed."""
from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from arcrtc._native import NEVER_US
from arcrtc.keys.records import SessionKey
from arcrtc.srtp import SrtpConfig, SrtpPipeline

MAX_OVERLAP_MS: Final = 86_400_000  # the most that SrtpPipeline.rekey() takes
_LAST_US: Final = NEVER_US - 1  # after every time at which a key is to go, before never


def rekey(pipeline: SrtpPipeline, key: SessionKey, overlap_s: float) -> None:
    """Send with another key from now on, and accept the one before for ``overlap_s``, rounded up to 1 ms.

    Keys from before that one, whose overlap still runs, are wiped at once: two generations are valid, not three.
    """
    overlap_ms = min(max(0, math.ceil(1000 * overlap_s)), MAX_OVERLAP_MS)
    config = replace(pipeline.config, master_key=key.master_key.reveal(), master_salt=key.master_salt.reveal())
    pipeline.expire(_LAST_US)
    pipeline.rekey(config, overlap_ms=overlap_ms)
    if overlap_ms == 0:
        pipeline.expire(_LAST_US)


def make_pipeline(keys: Sequence[SessionKey], roc: int, now_s: float) -> SrtpPipeline:
    """A pipeline that sends with the newest of ``keys`` and accepts the one before until it expires.

    Its configuration holds copies of key and salt, as plain bytes.

    :param keys: one or two valid at ``now_s``, oldest first.
    :param roc: roll-over counter of the first packet, 0..2**32-1.
    :raises ConfigError: ``roc`` is out of range.
    """
    first = keys[0]
    pipeline = SrtpPipeline(SrtpConfig(first.master_key.reveal(), first.master_salt.reveal(), first.info.ssrc, roc,
                                       first.info.profile))
    for before, key in itertools.pairwise(keys):
        expires_s = before.info.expires_s
        rekey(pipeline, key, 0 if expires_s is None else expires_s - now_s)
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
                rekey(pipeline, key, overlap_s)
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
