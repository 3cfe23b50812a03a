"""The grammar of RFC 4568 section 9 as one regular expression a rule, and the rules of section 6 after it.

Slow and literal: says of a line ``a=crypto`` whether it is valid, known, or neither, and what stands in it.
"""
from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

SUITE_BYTES = {
    "AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30, "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46, "AEAD_AES_128_GCM": 28, "AEAD_AES_256_GCM": 44,
}
LINE = re.compile(r"(?P<tag>[0-9]{1,9})[ \t]+(?P<suite>[A-Za-z0-9_]+)[ \t]+"
                  r"(?P<keys>[!-~]+(?:(?<=;)[ \t]+[!-~]+)*)(?<!;)(?P<words>(?:[ \t]+[!-~]+)*)", re.ASCII)
KEY = re.compile(r"inline:(?P<key>[A-Za-z0-9+/]+={0,2})(?:\|(?P<life>(?:2\^)?[0-9]+))?"
                 r"(?:\|(?P<mki>[0-9]+:[0-9]{1,3}))?", re.ASCII | re.IGNORECASE)
NUMBER = re.compile(r"0|[1-9][0-9]{0,999}", re.ASCII)


class Invalid(Exception):
    """The line breaks a rule."""


class Unknown(Exception):
    """The line is not for us."""


@dataclass
class Line:
    tag: int = 0
    suite: str = ""
    keys: list[tuple[bytes, int | None, bytes]] = field(default_factory=list)
    words: dict[str, object] = field(default_factory=dict)
    optional: list[str] = field(default_factory=list)


def read(text: str) -> Line:
    """What stands in a line."""
    match = LINE.fullmatch(text.strip(" \t"))
    if not match:
        raise Invalid
    line = Line(number(match["tag"], 1, 999_999_999), match["suite"].upper())
    if line.suite not in SUITE_BYTES:
        raise Unknown
    size = SUITE_BYTES[line.suite]
    line.keys = read_keys(re.sub(r";[ \t]+", ";", match["keys"]), size)
    unknown = False
    for word in match["words"].split():
        if word.startswith("-"):
            if len(word) == 1 or word[1] == "-":
                raise Invalid
            line.optional.append(word)
            continue
        name, _, value = word.upper().partition("=")
        if word.upper() in ("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP"):
            found: object = True
        elif name == "KDR":
            found = number(value, 1, 24)
        elif name == "WSH":
            found = number(value, 64, 2**31 - 1)
        elif name == "FEC_ORDER":
            if value not in ("FEC_SRTP", "SRTP_FEC"):
                raise Invalid
            found = value
        elif name == "FEC_KEY":
            found = read_keys(word.partition("=")[2], size)
        else:
            unknown = True
            break
        if name in line.words:
            raise Invalid
        line.words[name] = found
    if unknown:
        raise Unknown
    secrets = [key for key, _, _ in [*line.keys, *line.words.get("FEC_KEY", [])]]
    if len(set(secrets)) < len(secrets):
        raise Invalid
    return line


def read_keys(text: str, size: int) -> list[tuple[bytes, int | None, bytes]]:
    keys = [read_key(part, size) for part in text.split(";")]
    mkis = [mki for _, _, mki in keys]
    if len(keys) > 1 and (len({len(m) for m in mkis}) > 1 or not mkis[0] or len(set(mkis)) < len(mkis)):
        raise Invalid
    if len({key for key, _, _ in keys}) < len(keys):
        raise Invalid
    return keys


def read_key(text: str, size: int) -> tuple[bytes, int | None, bytes]:
    match = KEY.fullmatch(text)
    if not match:
        raise Invalid
    digits = match["key"].rstrip("=")
    padding = len(match["key"]) - len(digits)
    if len(digits) % 4 == 1 or padding not in (0, -len(digits) % 4):
        raise Invalid
    key = base64.b64decode(digits + "=" * (-len(digits) % 4))
    if len(key) != size:
        raise Invalid
    life = None
    if match["life"]:
        life = 2 ** number(match["life"][2:], 0, 48) if "^" in match["life"] else number(match["life"], 1, 2**48)
    mki = b""
    if match["mki"]:
        value, length = match["mki"].split(":")
        n = number(length, 1, 128)
        mki = number(value, 1, 256**n - 1).to_bytes(n, "big")
    return key, life, mki


def number(text: str, low: int, high: int) -> int:
    if not NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise Invalid
    return int(text)
