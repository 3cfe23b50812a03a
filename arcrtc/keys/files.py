"""Files of a local store: who may read them, and how they come into being whole or not at all."""
from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from arcrtc.errors import KeyStoreError, KeyStoreFault, KeyStorePermissionError
from arcrtc.keys.seal import KEY_BYTES
from arcrtc.keys.secret import SecretBytes

_KEY_FILE_HEAD: Final = "arcrtc key file 1"
_KEY_FILE_MAX_BYTES: Final = 1024
_PRIVATE: Final = 0o600
_POLL_S: Final = 0.01
_TRUSTED_OWNER: Final = 0  # root may read everything anyway
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Make a KeyStoreError of what the operating system refuses."""
    try:
        yield
    except KeyStoreError:
        raise
    except PermissionError as error:
        raise KeyStorePermissionError(f"{path}: {error.strerror}; the files of a key store must belong to the user "
                                      "who opens it", KeyStoreFault.FILE_MODE) from error
    except FileNotFoundError as error:
        raise KeyStoreError(f"{path}: the folder of a key store must exist: make it first", KeyStoreFault.IO) from error
    except OSError as error:
        reason = KeyStoreFault.FULL if error.errno in _NO_ROOM else KeyStoreFault.IO
        raise KeyStoreError(f"{path}: {error.strerror or error}", reason) from error


def check_private(path: Path) -> bool:
    """True: the file is there and nobody else can read or write it; False: it is not there.

    :raises KeyStorePermissionError: its mode has bits for group or others, or another user owns it.
    :raises KeyStoreError: it is no regular file.
    """
    with os_errors(path):
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
    if not stat.S_ISREG(found.st_mode):
        raise KeyStoreError(f"{path} is not a regular file: name a file", KeyStoreFault.FOREIGN)
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise KeyStorePermissionError(
            f"{path} has mode {mode:04o}, others may use it: chmod 600 it, and change the keys in it if "
            "somebody else may have read them", KeyStoreFault.FILE_MODE)
    if found.st_uid not in (os.geteuid(), _TRUSTED_OWNER):
        raise KeyStorePermissionError(f"{path} belongs to user {found.st_uid}, not to {os.geteuid()}, who opens it: "
                                      "chown it if it is what you expect", KeyStoreFault.FILE_MODE)
    return True


def beside(path: Path, suffix: str) -> Path:
    """The path with something added to its name."""
    return path.with_name(path.name + suffix)


def sync_folder(path: Path) -> None:
    """Make the names in the folder of ``path`` last."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def create_once(path: Path, build: Callable[[Path], None], timeout_s: float) -> None:
    """Let ``build`` make a file that appears at ``path`` whole, unless there is one already.

    It is built under another name, ``.new``, and renamed. A lock file, ``.lock``, keeps creators
    apart, threads and processes; what one of them left that was killed is removed by the next.

    :param build: is given the other name, of which nothing exists.
    :raises KeyStoreError: the system refuses, or another creator needs longer than ``timeout_s``.
    """
    with os_errors(path), _lock(beside(path, ".lock"), timeout_s):
        if path.exists():
            return
        new = beside(path, ".new")
        _remove(new, beside(new, "-journal"))
        try:
            build(new)
            os.rename(new, path)
        except BaseException:
            _remove(new, beside(new, "-journal"))
            raise
        sync_folder(path)


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


@contextmanager
def _lock(path: Path, timeout_s: float) -> Iterator[None]:
    until_s = time.monotonic() + timeout_s
    while (lock := _try_lock(path)) is None:
        if time.monotonic() >= until_s:
            raise KeyStoreError(f"{path} is held by another program for more than {timeout_s:g} s: is one hanging?",
                                KeyStoreFault.BUSY)
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(lock)


def _try_lock(path: Path) -> int | None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The one before us removed the name: a lock on a file without a name keeps nobody out.
        if os.path.samestat(os.fstat(lock), path.stat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def create_private(path: Path, content: bytes = b"") -> None:
    """Make a file of mode 0600 and put its content on the disk.

    :raises OSError: there is one, or the system refuses.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
    try:
        os.fchmod(file, _PRIVATE)  # whatever the umask is
        view = memoryview(content)
        while view:
            view = view[os.write(file, view):]
        os.fsync(file)
    finally:
        os.close(file)


def make_key_file(path: Path, timeout_s: float) -> None:
    """Make a key file with 32 random bytes, unless there is one already.

    Three lines of text: what it is, the key in hexadecimal, and the first half of its SHA-256,
    which tells a damaged file from that of another store.

    :raises KeyStoreError: the system refuses.
    """
    def build(new: Path) -> None:
        key = os.urandom(KEY_BYTES)
        create_private(new, f"{_KEY_FILE_HEAD}\n{key.hex()}\n{_check_line(key)}\n".encode())

    if not check_private(path):
        create_once(path, build, timeout_s)


def read_key_file(path: Path) -> SecretBytes:
    """The key in a key file.

    :raises KeyStoreError: it is not there, not private, or not whole.
    """
    if not check_private(path):
        raise KeyStoreError(f"the key file {path} is missing, and without it the store cannot be read: "
                            "restore it from a backup, or name it with key_file=", KeyStoreFault.NO_KEY_FILE)
    with os_errors(path), path.open("rb") as file:
        lines = file.read(_KEY_FILE_MAX_BYTES).decode("ascii", errors="replace").split("\n")
    if lines[0] != _KEY_FILE_HEAD:
        raise KeyStoreError(f"{path} is not a key file of arcrtc: name the right one with key_file=",
                            KeyStoreFault.FOREIGN)
    try:
        key = bytes.fromhex(lines[1])
        if len(lines) == 4 and len(key) == KEY_BYTES and lines[2] == _check_line(key):
            return SecretBytes(key)
    except (ValueError, IndexError):
        pass
    raise KeyStoreError(f"the key file {path} is damaged: restore it from a backup", KeyStoreFault.DAMAGED) from None


def _check_line(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:32]
