"""SRTP and SRTCP in plain Python, from the texts: slow, short, no library but hashlib.

AES from FIPS 197, GCM from NIST SP 800-38D, the rest from RFC 3711, 6188, 7714.
Also the two algorithms with state: index estimation and the replay window.
"""
from __future__ import annotations

import hashlib
import hmac
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


def derive(master_key: bytes, master_salt: bytes, label: int, n: int) -> bytes:
    """RFC 3711 section 4.3 with key derivation rate 0."""
    x = int.from_bytes(master_salt.ljust(14, b"\0"), "big") ^ label << 48
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

    def _keys(self, first_label: int) -> tuple[Aes, bytes, int]:
        enc = derive(self.master_key, self.master_salt, first_label, self.key_bytes)
        auth = derive(self.master_key, self.master_salt, first_label + 1, 20)
        salt = derive(self.master_key, self.master_salt, first_label + 2, 12 if self.aead else 14)
        return Aes(enc), auth, int.from_bytes(salt, "big")

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
        aes, auth, salt = self._keys(0)
        seq, ssrc = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[8:12], "big")
        iv, body = self._cipher(aes, salt, ssrc, roc << 16 | seq, packet[head:])
        if self.aead:
            return packet[:head] + body + gcm_tag(aes, iv, packet[:head], body)
        message = packet[:head] + body + roc.to_bytes(4, "big")
        tag = hmac.new(auth, message, hashlib.sha1).digest()[:self.tag_bytes]
        return packet[:head] + body + tag

    def rtcp(self, packet: bytes, index: int, encrypted: bool = True) -> bytes:
        aes, auth, salt = self._keys(3)
        head = 8 if encrypted else len(packet)
        word = (index | encrypted << 31).to_bytes(4, "big")
        iv, body = self._cipher(aes, salt, int.from_bytes(packet[4:8], "big"), index, packet[head:])
        if self.aead:
            return packet[:head] + body + gcm_tag(aes, iv, packet[:head] + word, body) + word
        tag = hmac.new(auth, packet[:head] + body + word, hashlib.sha1).digest()[:self.rtcp_tag_bytes]
        return packet[:head] + body + word + tag


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
