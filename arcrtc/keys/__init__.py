"""Keys at rest: stores, and the manager of SRTP session keys (docs/keys.md)."""
from __future__ import annotations

from arcrtc.errors import (
    KeyExistsError,
    KeyNotFoundError,
    KeyStoreError,
    KeyStoreFault,
    KeyStorePermissionError,
)
from arcrtc.keys.local import LocalKeyStore
from arcrtc.keys.manager import SrtpKeyManager
from arcrtc.keys.records import AuditAction, AuditEntry, AuditNote, KeyChange, KeyInfo, SeenKeys, SessionKey
from arcrtc.keys.seal import ScryptCost
from arcrtc.keys.secret import SecretBytes
from arcrtc.keys.store import KeyBackend, KeyStore

__all__ = [
    "AuditAction",
    "AuditEntry",
    "AuditNote",
    "KeyBackend",
    "KeyChange",
    "KeyExistsError",
    "KeyInfo",
    "KeyNotFoundError",
    "KeyStore",
    "KeyStoreError",
    "KeyStoreFault",
    "KeyStorePermissionError",
    "LocalKeyStore",
    "ScryptCost",
    "SecretBytes",
    "SeenKeys",
    "SessionKey",
    "SrtpKeyManager",
]
