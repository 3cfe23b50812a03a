"""The only importer of the compiled core: status checks, handles, buffer views.

Everything that crosses into C passes through the few functions here, so that the
rules of the binding are kept in one place: every status is looked at, every
handle has a size and a destructor, every array is checked before its address is
taken.
"""
from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from arcrtc import errors

try:
    from arcrtc._core import ffi as ffi
    from arcrtc._core import lib as lib
except ImportError as error:  # pragma: no cover - a build fault, seen by people only
    raise ImportError(
        f"arcrtc: the compiled core cannot be loaded ({error}). Build it with 'pip install .' in the "
        "project's folder; 'python build_ffi.py' says which libraries it finds.") from error

_ABI_VERSION: Final = 1
if lib.arc_abi_version() != _ABI_VERSION:
    raise ImportError(
        f"arcrtc: the compiled core has ABI {lib.arc_abi_version()}, this package needs {_ABI_VERSION}. "
        "Rebuild it with 'pip install --force-reinstall .'")


def _version_of(text: Any) -> str:
    """The number in C's "libopus 1.3.1"; the whole text where there is none."""
    said = str(ffi.string(text).decode("ascii", "replace"))
    number = re.search(r"\d+(\.\d+)+", said)
    return number.group() if number else said


def loaded_versions() -> dict[str, str]:
    """What the libraries of the core say of themselves now: {name without "lib": version}."""
    found = {"crypto": _version_of(lib.arc_cipher_version(lib.ARC_CIPHER_OPENSSL)),
             "opus": _version_of(lib.arc_opus_version())}
    swresample = int(lib.arc_resampler_version_loaded())
    found["swresample"] = f"{swresample >> 16}.{swresample >> 8 & 255}.{swresample & 255}"
    if ipsecmb := _version_of(lib.arc_cipher_version(lib.ARC_CIPHER_IPSECMB)):
        found["IPSec_MB"] = ipsecmb
    row = ffi.new("struct arc_vlib *")
    for i in range(lib.arc_vlibs_count()):
        if lib.arc_vlibs_get(i, row) == lib.ARC_OK:
            found[ffi.string(row.name).decode("ascii").removeprefix("lib")] = _version_of(row.loaded)
    return found


def _compare_libraries() -> None:
    """Refuse a library of another major version than the core was compiled against.

    Within one major version these libraries keep their ABI; over it a struct that
    the core fills may have another layout. Takes some microseconds.

    :raises ImportError: names each such library and what to do.
    """
    loaded, wrong = loaded_versions(), []
    for entry in ffi.string(lib.arc_build_info()).decode("ascii").split(";"):
        name, _, compiled = entry.partition("=")  # the form stands in csrc/base/buildinfo.h
        now = loaded.get(name.removeprefix("lib"), "")
        majors = {now.split(".")[0], compiled.split(".")[0]}
        if len(majors) > 1 and all(major.isdecimal() for major in majors):
            wrong.append(f"{name} {now} is loaded, but the core was compiled against {compiled}")
    if wrong:
        raise ImportError(
            f"arcrtc: {'; '.join(wrong)}. Rebuild it with 'pip install --force-reinstall .', or let the "
            "loader find the former library (LD_LIBRARY_PATH).")


_compare_libraries()

NEVER_US: Final = 2**63 - 1

_ERRORS: Final[dict[int, type[errors.ArcError]]] = {
    lib.ARC_ERR_ARG: errors.ArgumentError,
    lib.ARC_ERR_NOMEM: errors.NoMemoryError,
    lib.ARC_ERR_SPACE: errors.BufferSpaceError,
    lib.ARC_ERR_FORMAT: errors.ParseError,
    lib.ARC_ERR_AUTH: errors.AuthenticationError,
    lib.ARC_ERR_REPLAY: errors.ReplayError,
    lib.ARC_ERR_OLD: errors.ReplayError,
    lib.ARC_ERR_LIMIT: errors.LimitError,
    lib.ARC_ERR_UNSUPPORTED: errors.UnsupportedError,
    lib.ARC_ERR_CODEC: errors.CodecError,
    lib.ARC_ERR_IO: errors.TransportError,
    lib.ARC_ERR_LIBRARY: errors.LibraryError,
    lib.ARC_ERR_BUSY: errors.BackpressureError,
    lib.ARC_ERR_ENDED: errors.ClosedError,
}

_MEANING: Final[dict[int, str]] = {
    lib.ARC_ERR_ARG: "an argument is out of range or does not fit the state",
    lib.ARC_ERR_NOMEM: "out of memory",
    lib.ARC_ERR_SPACE: "the output buffer is too small",
    lib.ARC_ERR_FORMAT: "malformed bytes",
    lib.ARC_ERR_AUTH: "the authentication tag does not match",
    lib.ARC_ERR_REPLAY: "replayed: this packet was accepted before",
    lib.ARC_ERR_OLD: "replayed or too old: behind the replay window",
    lib.ARC_ERR_LIMIT: "the limit is reached",
    lib.ARC_ERR_UNSUPPORTED: "not supported by this build or machine",
    lib.ARC_ERR_CODEC: "the codec refused",
    lib.ARC_ERR_IO: "the operating system refused",
    lib.ARC_ERR_LIBRARY: "a linked library failed",
    lib.ARC_ERR_BUSY: "a bounded queue is full; try again later",
    lib.ARC_ERR_ENDED: "closed: its thread has ended, or belongs to the process that this one was forked from",
}


def error_for(status: int, what: str) -> errors.ArcError:
    """Make the exception of a negative status; ``what`` names the call."""
    cls = _ERRORS.get(status, errors.LibraryError)
    meaning = _MEANING.get(status, f"unknown status {status}")
    return cls(f"{what}: {meaning}")


def check(status: int, what: str) -> bool:
    """True for ARC_OK, False for ARC_AGAIN; raises the fitting class otherwise."""
    if status == lib.ARC_OK:
        return True
    if status == lib.ARC_AGAIN:
        return False
    raise error_for(status, what)


def new_handle(new: Any, free: Any, ctype: str, *args: Any, what: str, size: int = 0) -> Any:
    """Call ``new(*args, out)`` and return the handle, freed with its last reference.

    :param size: memory the handle keeps, bytes; told to the garbage collector.
    :raises ArcError: as the status of ``new`` says.
    """
    out = ffi.new(f"{ctype} **")
    check(new(*args, out), what)
    return ffi.gc(out[0], free, size)


def check_count(n: int, what: str) -> int:
    """Return ``n``; below zero it is a status, and raised as an exception."""
    if n < 0:
        raise error_for(n, what)
    return n


def read_view(data: Any) -> Any:
    """Lend bytes-like ``data`` to C for one call: a ``const uint8_t[]``, no copy.

    Keep the returned object alive until the call is over.

    :raises TypeError: ``data`` has no contiguous buffer.
    """
    return ffi.from_buffer("uint8_t[]", data)


def write_view(array: NDArray[Any], ctype: str, dtype: DTypeLike) -> Any:
    """Lend a NumPy array to C as ``ctype[]`` to be filled, no copy.

    :raises ArgumentError: not C-contiguous, not writable, or of another dtype.
    """
    if array.dtype != np.dtype(dtype):
        raise errors.ArgumentError(f"array is {array.dtype}, must be {np.dtype(dtype)}")
    if not array.flags.c_contiguous or not array.flags.writeable:
        raise errors.ArgumentError("array must be C-contiguous and writable")
    return ffi.from_buffer(f"{ctype}[]", array, require_writable=True)
