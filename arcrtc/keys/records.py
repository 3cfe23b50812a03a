"""What managers and stores hand to each other: keys, changes of them, and lines of the audit trail."""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from arcrtc.errors import ArgumentError
from arcrtc.keys.secret import SecretBytes
from arcrtc.srtp import SrtpProfile

_MAX_SESSION_ID_CHARS = 200


def session_name(session_id: str | UUID) -> str:
    """The form in which a session's id is stored.

    :param session_id: 1..200 printable characters, or a UUID, which is the same as its usual text.
    :raises ArgumentError: another type, empty, too long, or with characters that are not printable.
    """
    if isinstance(session_id, UUID):
        return str(session_id)
    if not isinstance(session_id, str):
        raise ArgumentError(f"session_id is {type(session_id).__name__}, must be str or UUID")
    if not 1 <= len(session_id) <= _MAX_SESSION_ID_CHARS or not session_id.isprintable():
        raise ArgumentError(f"session_id must have 1..{_MAX_SESSION_ID_CHARS} printable characters")
    return session_id


def check_ssrc(ssrc: int) -> int:
    """``ssrc`` if it is one.

    :raises ArgumentError: not an integer in 0..2**32-1.
    """
    if not isinstance(ssrc, int) or isinstance(ssrc, bool) or not 0 <= ssrc < 2**32:
        raise ArgumentError(f"ssrc={ssrc!r} must be an integer in 0..{2**32 - 1}")
    return ssrc


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """What is known of a key besides its bytes. Times are seconds since 1970 of the manager's clock.

    :ivar session_id: whose it is. :ivar ssrc: the SSRC it protects, 0..2**32-1.
    :ivar generation: 1 for the first key of a session and SSRC, one more with each rotation.
    :ivar profile: cipher and tag.
    :ivar key_id: id of the master key. :ivar salt_id: id of the master salt.
    :ivar created_s: when it was made.
    :ivar expires_s: from then on it is not valid; None: until it is rotated or deleted.
    :ivar version: 1 when made, one more with each change; what a writer expects to find.
    """

    session_id: str
    ssrc: int
    generation: int
    profile: SrtpProfile
    key_id: UUID
    salt_id: UUID
    created_s: float
    expires_s: float | None
    version: int = 1

    def is_valid(self, now_s: float) -> bool:
        """True before ``expires_s``. A clock that was set back makes no key invalid."""
        return self.expires_s is None or now_s < self.expires_s


@dataclass(frozen=True, slots=True)
class SessionKey:
    """One generation of a session's master key and salt. Its repr shows neither; pickle refuses.

    :ivar info: what is known of it.
    :ivar master_key: 16 or 32 bytes, as the profile says.
    :ivar master_salt: 12 or 14 bytes.
    """

    info: KeyInfo
    master_key: SecretBytes
    master_salt: SecretBytes

    def wipe(self) -> None:
        """Overwrite both."""
        self.master_key.wipe()
        self.master_salt.wipe()


class AuditAction(str, Enum):
    """What was done: to the store itself (no session), or to a key."""

    STORE_CREATED = "store_created"
    PASSPHRASE_CHANGED = "passphrase_changed"
    KEY_CREATED = "key_created"
    KEY_ROTATED = "key_rotated"
    KEY_USED = "key_used"
    KEY_EXPIRED = "key_expired"
    KEY_DELETED = "key_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditNote:
    """One thing that was done. Holds no key bytes.

    :ivar at_s: when, seconds since 1970 of the clock of who did it.
    :ivar actor: who did it, in its own words.
    :ivar action: what.
    :ivar session_id: whose key; None: it concerns the whole store. The same for the next three.
    :ivar ssrc: of the key. :ivar generation: of the key. :ivar key_id: of the key.
    """

    at_s: float
    actor: str
    action: AuditAction
    session_id: str | None = None
    ssrc: int | None = None
    generation: int | None = None
    key_id: UUID | None = None

    @classmethod
    def of_key(cls, info: KeyInfo, action: AuditAction, *, at_s: float, actor: str) -> AuditNote:
        """A note about one key."""
        return cls(at_s=at_s, actor=actor, action=action, session_id=info.session_id, ssrc=info.ssrc,
                   generation=info.generation, key_id=info.key_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A line of the audit trail.

    :ivar seq: its number, from 1 and without gaps since the store was made.
    :ivar note: what was done.
    """

    seq: int
    note: AuditNote


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenKeys:
    """What a change was decided from.

    :ivar session_id: whose keys were read. :ivar ssrc: of which SSRC; None: of all.
    :ivar keys: key id and version of each that was found.
    """

    session_id: str
    ssrc: int | None
    keys: frozenset[tuple[UUID, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """What a backend does wholly or not at all.

    :ivar seen: what must still be there, no more and no less; None: anything may.
    :ivar add: new keys, of version 1.
    :ivar replace: new states of keys that are there, with a version one above the stored one.
    :ivar remove: keys to remove; their version must be the stored one.
    :ivar notes: lines for the audit trail.
    """

    seen: SeenKeys | None = None
    add: tuple[SessionKey, ...] = ()
    replace: tuple[SessionKey, ...] = ()
    remove: tuple[KeyInfo, ...] = ()
    notes: tuple[AuditNote, ...] = ()
