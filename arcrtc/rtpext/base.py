"""What the types of header extensions share: the base class, and the way into the core."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from arcrtc._native import check, ffi
from arcrtc.errors import ArgumentError

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

#: Where webrtc.org's own extensions have their names.
WEBRTC_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/"


class ExtensionValue(ABC):
    """The value of one RTP header extension element, typed.

    :cvar URI: its name in SDP's ``a=extmap``.
    """

    __slots__ = ()

    URI: ClassVar[str]

    @classmethod
    @abstractmethod
    def parse(cls, value: Buffer) -> Self:
        """Read the bytes of an element.

        :raises ParseError: no value of this type has these bytes.
        """

    @abstractmethod
    def serialize(self) -> bytes:
        """The bytes of an element; ``parse(serialize(v)) == v``."""


def check_range(owner: object, name: str, low: int, high: int) -> None:
    """Raise ArgumentError unless the attribute is an integer in ``low..high``."""
    value = getattr(owner, name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ArgumentError(f"{type(owner).__name__}: {name}={value!r} is outside {low}..{high}")


def read_value(function: Any, ctype: str, value: Buffer, what: str) -> Any:
    """Call a ``read`` function of the core; what it has filled in, ``ctype *``.

    :raises ParseError: it refuses the bytes.
    """
    data = value if type(value) is bytes else memoryview(value).tobytes()
    out = ffi.new(f"{ctype} *")
    check(function(data, len(data), out), what)
    return out


def write_value(write: Callable[[Any, int, Any], int], room: int, what: str) -> bytes:
    """The bytes that a ``write`` function of the core makes: ``write(out, room, length)``.

    :raises ArgumentError: it refuses the value.
    """
    out, length = ffi.new("uint8_t[]", room), ffi.new("size_t *")
    check(write(out, room, length), what)
    return bytes(ffi.buffer(out, length[0]))
