"""Which id stands for which header extension: what SDP's ``a=extmap`` settles (RFC 8285 section 5)."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from arcrtc.errors import ArgumentError
from arcrtc.rtp import RtpHeader
from arcrtc.rtpext.base import ExtensionValue

_V = TypeVar("_V", bound=ExtensionValue)


class ExtensionMap:
    """Ids of header extensions, and typed access to them in a header. Does not change.

    :param uris: {id: URI}; ids 1..255, each URI once. Ids 1..14 fit the one-byte form.
    :raises ArgumentError: an id is out of its range, or a URI comes twice.
    """

    __slots__ = ("_ids", "_uris")

    def __init__(self, uris: Mapping[int, str]) -> None:
        for ident, uri in uris.items():
            if not isinstance(ident, int) or not 1 <= ident <= 255:
                raise ArgumentError(f"ExtensionMap: id {ident!r} is outside 1..255")
            if not isinstance(uri, str) or not uri:
                raise ArgumentError(f"ExtensionMap: id {ident} needs a URI, not {uri!r}")
        self._uris = dict(uris)
        self._ids = {uri: ident for ident, uri in uris.items()}
        if len(self._ids) < len(self._uris):
            raise ArgumentError(f"ExtensionMap: a URI comes twice in {self._uris!r}")

    def id_of(self, kind: str | type[ExtensionValue]) -> int | None:
        """The id of a URI, or of the type it stands for; None: not in the map."""
        return self._ids.get(kind if isinstance(kind, str) else kind.URI)

    def uri_of(self, ident: int) -> str | None:
        """The URI of an id; None: not in the map."""
        return self._uris.get(ident)

    def get(self, header: RtpHeader, kind: type[_V]) -> _V | None:
        """The value of a type in a header; None: the header or the map has none.

        :raises ParseError: the bytes are no such value.
        """
        value = self.get_bytes(header, kind.URI)
        return None if value is None else kind.parse(value)

    def get_bytes(self, header: RtpHeader, uri: str) -> bytes | None:
        """The same as bytes, by URI: for what needs a reader of its own, as a dependency descriptor."""
        ident = self._ids.get(uri)
        return None if ident is None else header.extensions.get(ident)

    def set(self, header: RtpHeader, value: ExtensionValue) -> None:
        """Put a value into a header, in place of one of its type.

        :raises ArgumentError: the map has no id for it, or its bytes fit no element.
        """
        self.set_bytes(header, value.URI, value.serialize())

    def set_bytes(self, header: RtpHeader, uri: str, value: bytes) -> None:
        """The same with bytes, by URI; 0..255 bytes. Errors as :meth:`set`."""
        ident = self._ids.get(uri)
        if ident is None:
            raise ArgumentError(f"ExtensionMap: no id stands for {uri}")
        if len(value) > 255:
            raise ArgumentError(f"ExtensionMap: {len(value)} bytes of {uri} fit no element")
        header.extensions[ident] = value

    def remove(self, header: RtpHeader, kind: str | type[ExtensionValue]) -> None:
        """Take a value out of a header; none there is fine."""
        ident = self.id_of(kind)
        if ident is not None:
            header.extensions.pop(ident, None)

    def __iter__(self) -> Iterator[int]:
        return iter(self._uris)

    def __len__(self) -> int:
        return len(self._uris)

    def __eq__(self, other: object) -> bool:
        return self._uris == other._uris if isinstance(other, ExtensionMap) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._uris.items()))

    def __repr__(self) -> str:
        return f"ExtensionMap({self._uris!r})"
