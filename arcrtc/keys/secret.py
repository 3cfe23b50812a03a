"""Bytes that must not be shown, compared in a telling time, or kept longer than needed."""
from __future__ import annotations

import hmac
from typing import NoReturn

from arcrtc.errors import ArgumentError


class SecretBytes:
    """A key or salt. Shows its length only, compares in constant time, refuses pickle and copy.

    :meth:`wipe` overwrites this one copy, and so does the end of the object's life.
    It cannot reach copies: what :meth:`reveal` returned, what OpenSSL holds, swap.

    Not thread-safe against :meth:`wipe`.

    :param data: copied.
    """

    __slots__ = ("_data", "_wiped")

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._wiped = False
        self._data = bytearray()  # __del__ finds it even if the next line raises
        self._data = bytearray(data)

    def reveal(self) -> bytes:
        """A copy of the bytes, which nobody wipes.

        :raises ArgumentError: they are wiped.
        """
        if self._wiped:
            raise ArgumentError("the secret is wiped")
        return bytes(self._data)

    def wipe(self) -> None:
        """Overwrite the bytes with zeros; the length stays known."""
        self._data[:] = bytes(len(self._data))
        self._wiped = True

    def __del__(self) -> None:
        self.wipe()

    def __len__(self) -> int:
        return len(self._data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        return self._wiped == other._wiped and hmac.compare_digest(self._data, other._data)

    def __repr__(self) -> str:
        return f"SecretBytes(<{len(self._data)} bytes>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecretBytes cannot be pickled or copied")
