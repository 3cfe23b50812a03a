"""Cipher backends: which there are, which is used, and why not the others (C module ``srtp/cipher``)."""
from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Final

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ConfigError, UnsupportedError

_NUMBERS: Final = {"auto": lib.ARC_CIPHER_AUTO, "openssl": lib.ARC_CIPHER_OPENSSL,
                   "ipsecmb": lib.ARC_CIPHER_IPSECMB}

#: Values of ``SrtpConfig.crypto`` and of the environment variable.
CRYPTO_NAMES: Final = tuple(_NUMBERS)
ENVIRONMENT: Final = "ARCRTC_CRYPTO"


@dataclass(frozen=True, slots=True)
class CryptoBackend:
    """A library that can encrypt packets.

    :ivar name: "openssl" or "ipsecmb".
    :ivar version: of the library; "" where it is not compiled in.
    :ivar code: instructions that it works with ("AVX2"); "" where it does not tell.
    :ivar unusable: why it cannot be used here; "": it can.
    """

    name: str
    version: str
    code: str
    unusable: str

    def to_json(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold."""
        return asdict(self)


def _describe(number: int) -> CryptoBackend:
    info = ffi.new("struct arc_cipher_backend_info *")
    check(lib.arc_cipher_backend_info(number, info), "arc_cipher_backend_info")
    texts = (info.name, info.version, info.code, info.unusable)
    return CryptoBackend(*("" if text == ffi.NULL else ffi.string(text).decode("ascii", "replace")
                           for text in texts))


def backends() -> list[CryptoBackend]:
    """Every backend; each is given its known-answer test if that was not done yet."""
    return [_describe(number) for name, number in _NUMBERS.items() if name != "auto"]


def backend_name(number: int) -> str:
    """Name of an ``enum arc_cipher_backend``; "auto": of the one that is chosen."""
    return _describe(number).name


def chosen() -> str:
    """Name of the backend that "auto" stands for now; "": ARCRTC_CRYPTO names one that cannot be used."""
    try:
        return backend_name(backend_number("auto"))
    except (ConfigError, UnsupportedError):
        return ""


def backend_number(name: str) -> int:
    """``enum arc_cipher_backend`` for a configured name.

    "auto" is what the environment variable ``ARCRTC_CRYPTO`` says, if it is set.

    :raises ConfigError: neither a name of CRYPTO_NAMES.
    :raises UnsupportedError: the backend is not usable here; the message says why.
    """
    origin = "crypto"
    if name == "auto":
        origin, name = ENVIRONMENT, os.environ.get(ENVIRONMENT, "") or "auto"
    if name not in _NUMBERS:
        raise ConfigError(f"{origin}={name!r} is none of {', '.join(CRYPTO_NAMES)}")
    number = int(_NUMBERS[name])
    if name != "auto" and (why := _describe(number).unusable):
        raise UnsupportedError(f"{origin}={name}: {why}")
    return number
