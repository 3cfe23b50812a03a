"""SRTP and SRTCP in plain Python, from the texts: slow, short, no library but hashlib.

AES from FIPS 197, GCM from NIST SP 800-38D, the rest from RFC 3711, 6188, 7714.
Also the two algorithms with state: index estimation and the replay window.
"""
from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field


def _double(x: int) -> int:
    return (x << 1) ^ (0x11B if x & 0x80 else 0)


def _make_sbox() -> list[int]:
    power, log = [1], {1: 0}
    for i in range(1, 255):
        power.append(power[-1] ^ _double(power[-1]))  # 3 generates the field
        log[power[-1]] = i
    box = []
    for x in range(256):
        y = power[(255 - log[x]) % 255] if x else 0
        box.append(y ^ 0x63)
        for shift in range(1, 5):
            box[x] ^= (y << shift | y >> (8 - shift)) & 0xFF
    return box


SBOX = _make_sbox()


def _round_keys(key: bytes) -> list[list[int]]:
    n = len(key) // 4
    words = [list(key[4 * i:4 * i + 4]) for i in range(n)]
    rcon = 1
    while len(words) < 4 * (n + 7):
        w = list(words[-1])
        if len(words) % n == 0:
            w = [SBOX[x] for x in w[1:] + w[:1]]
            w[0] ^= rcon
            rcon = _double(rcon)
        elif n == 8 and len(words) % n == 4:
            w = [SBOX[x] for x in w]
        words.append([a ^ b for a, b in zip(w, words[-n], strict=True)])
    return [[x for word in words[4 * i:4 * i + 4] for x in word] for i in range(n + 7)]


class Aes:
    def __init__(self, key: bytes) -> None:
        self.keys = _round_keys(key)

    def block(self, data: bytes) -> bytes:
        s = [a ^ b for a, b in zip(data, self.keys[0], strict=True)]
        for i, key in enumerate(self.keys[1:], 1):
            s = [SBOX[s[(j + 4 * (j % 4)) % 16]] for j in range(16)]
            if i < len(self.keys) - 1:
                s = [_double(s[j]) ^ _double(s[j & 12 | (j + 1) & 3]) ^ s[j & 12 | (j + 1) & 3]
                     ^ s[j & 12 | (j + 2) & 3] ^ s[j & 12 | (j + 3) & 3] for j in range(16)]
            s = [a ^ b for a, b in zip(s, key, strict=True)]
        return bytes(s)

    def counter(self, start: int, n: int) -> bytes:
        """n bytes of key stream; the counter is the whole block, as in RFC 3711."""
        blocks = [self.block(((start + i) % 2**128).to_bytes(16, "big")) for i in range(-(-n // 16))]
        return b"".join(blocks)[:n]


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def ghash(h: int, data: bytes) -> int:
    y = 0
    for i in range(0, len(data), 16):
        y ^= int.from_bytes(data[i:i + 16], "big")
        z, v = 0, y
        for bit in range(127, -1, -1):
            if h >> bit & 1:
                z ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = z
    return y


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def gcm_tag(aes: Aes, iv: bytes, aad: bytes, body: bytes) -> bytes:
    h = int.from_bytes(aes.block(bytes(16)), "big")
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(body)).to_bytes(8, "big")
    s = ghash(h, _padded(aad) + _padded(body) + lengths)
    return xor(s.to_bytes(16, "big"), aes.block(iv + b"\0\0\0\1"))


def derive(master_key: bytes, master_salt: bytes, label: int, n: int, r: int = 0) -> bytes:
    """RFC 3711 section 4.3; ``r`` is the index DIV the key derivation rate."""
    x = int.from_bytes(master_salt.ljust(14, b"\0"), "big") ^ label << 48 ^ r
    return Aes(master_key).counter(x << 16, n)


@dataclass
class PlainSrtp:
    """Protects; to unprotect is to protect again and compare."""

    aead: bool
    key_bytes: int
    tag_bytes: int
    rtcp_tag_bytes: int
    master_key: bytes
    master_salt: bytes
    mki: bytes = b""
    rate: int = 0
    ext_ids: frozenset[int] = frozenset()

    def _derive(self, label: int, n: int, index: int) -> bytes:
        return derive(self.master_key, self.master_salt, label, n, index // self.rate if self.rate else 0)

    def _keys(self, first_label: int, index: int) -> tuple[Aes, bytes, int]:
        enc = self._derive(first_label, self.key_bytes, index)
        auth = self._derive(first_label + 1, 20, index)
        salt = self._derive(first_label + 2, 12 if self.aead else 14, index)
        return Aes(enc), auth, int.from_bytes(salt, "big")

    def extension(self, packet: bytes, index: int) -> bytes:
        """The packet with the elements of ``ext_ids`` encrypted (RFC 6904): mask and key stream, byte by byte."""
        at = 12 + 4 * (packet[0] & 15)
        if not packet[0] & 16 or not self.ext_ids:
            return packet
        profile, words = struct.unpack_from("!HH", packet, at)
        start, end = at + 4, at + 4 + 4 * words
        salt = int.from_bytes(self._derive(7, 12 if self.aead else 14, index).ljust(14, b"\0"), "big")
        ssrc = int.from_bytes(packet[8:12], "big")
        stream = Aes(self._derive(6, self.key_bytes, index)).counter(
            (salt << 16) ^ (ssrc << 64) ^ (index << 16), end - start)
        out = bytearray(packet)
        for ident, first, behind in self._elements(packet, profile, start, end):
            if ident in self.ext_ids:
                for i in range(first, behind):
                    out[i] ^= stream[i - start]
        return bytes(out)

    @staticmethod
    def _elements(packet: bytes, profile: int, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(id, first byte of the value, byte behind it), as RFC 8285 has them."""
        while at < end:
            if packet[at] == 0:
                at += 1
                continue
            if profile == 0xBEDE:
                ident, n, at = packet[at] >> 4, (packet[at] & 15) + 1, at + 1
                if ident in (0, 15):
                    return
            elif profile & 0xFFF0 == 0x1000:
                ident, n, at = packet[at], packet[at + 1], at + 2
            else:
                return
            yield ident, at, at + n
            at += n

    def _cipher(self, aes: Aes, salt: int, ssrc: int, index: int, body: bytes) -> tuple[bytes, bytes]:
        """IV (GCM) and encrypted body."""
        if self.aead:
            iv = (salt ^ ssrc << 48 ^ index).to_bytes(12, "big")
            start = int.from_bytes(iv + b"\0\0\0\2", "big")
            return iv, xor(body, aes.counter(start, len(body)))
        return b"", xor(body, aes.counter((salt << 16) ^ (ssrc << 64) ^ (index << 16), len(body)))

    def rtp(self, packet: bytes, roc: int) -> bytes:
        head = 12 + 4 * (packet[0] & 15)
        if packet[0] & 16:
            head += 4 + 4 * int.from_bytes(packet[head + 2:head + 4], "big")
        seq, ssrc = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[8:12], "big")
        index = roc << 16 | seq
        packet = self.extension(packet, index)
        aes, auth, salt = self._keys(0, index)
        iv, body = self._cipher(aes, salt, ssrc, index, packet[head:])
        if self.aead:
            return packet[:head] + body + gcm_tag(aes, iv, packet[:head], body) + self.mki
        message = packet[:head] + body + roc.to_bytes(4, "big")
        tag = hmac.new(auth, message, hashlib.sha1).digest()[:self.tag_bytes]
        return packet[:head] + body + self.mki + tag

    def rtcp(self, packet: bytes, index: int, encrypted: bool = True) -> bytes:
        aes, auth, salt = self._keys(3, index)
        head = 8 if encrypted else len(packet)
        word = (index | encrypted << 31).to_bytes(4, "big")
        iv, body = self._cipher(aes, salt, int.from_bytes(packet[4:8], "big"), index, packet[head:])
        if self.aead:
            return packet[:head] + body + gcm_tag(aes, iv, packet[:head] + word, body) + word + self.mki
        tag = hmac.new(auth, packet[:head] + body + word, hashlib.sha1).digest()[:self.rtcp_tag_bytes]
        return packet[:head] + body + word + self.mki + tag


@dataclass
class IndexModel:
    """RFC 3711 Appendix A, word for word, but for a roll-over counter below 0."""

    roc: int = 0
    s_l: int | None = None

    def estimate(self, seq: int) -> int | None:
        """The 48-bit index; None: it would be 2^48."""
        if self.s_l is None:
            return self.roc << 16 | seq
        v = self.roc
        if self.s_l < 32768:
            if seq - self.s_l > 32768:
                v = max(self.roc - 1, 0)
        elif self.s_l - 32768 > seq:
            v = self.roc + 1
        return v << 16 | seq if v < 2**32 else None

    def commit(self, index: int) -> None:
        if self.s_l is None or index > (self.roc << 16 | self.s_l):
            self.roc, self.s_l = index >> 16, index & 0xFFFF


@dataclass
class ReplayModel:
    """The window as a set: every index accepted is remembered for ever."""

    window: int
    seen: set[int] = field(default_factory=set)

    def check(self, index: int) -> str:
        if self.seen and max(self.seen) - index >= self.window:
            return "old"
        return "replay" if index in self.seen else "ok"
