"""Keys on the command line: as hexadecimal text, never in a message of a fault."""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from arcrtc.errors import ConfigError

if TYPE_CHECKING:
    from arcrtc.srtp import SrtpConfig, SrtpProfile


def parse_key(text: str, profile: SrtpProfile) -> SrtpConfig:
    """The key of a ``--key`` option.

    :param text: master key and master salt in hexadecimal, one after the other; "-": the first line
        of standard input, so that the key is not seen in the list of processes.
    :raises ConfigError: not hexadecimal, or of another length; the message says the lengths, not the key.
    """
    from arcrtc.srtp import SrtpConfig as Config

    if text == "-":
        text = sys.stdin.readline()
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise ConfigError("--key is not hexadecimal") from None
    master = profile.key_bytes
    if len(key) - master not in profile.salt_bytes:
        wanted = " or ".join(f"{2 * (master + salt)} digits ({master} + {salt} bytes)" for salt in profile.salt_bytes)
        raise ConfigError(f"--key has {len(text.strip())} hexadecimal digits, {profile.name} takes {wanted}")
    return Config(key[:master], key[master:], profile=profile)


def key_text(config: SrtpConfig) -> str:
    """What parse_key() reads."""
    return (config.master_key + config.master_salt).hex()
