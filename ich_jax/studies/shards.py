"""Work that several processes share: `--shard=i/n`."""

import re

from ich_jax import errors


def parse_shard(text: str) -> tuple[int, int]:
    """Reads `i/n`; empty: everything.

    Raises:
        ConfigError: It is not of that form, or i is not from 0 to n - 1.
    """
    if not text:
        return 0, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not int(match[1]) < int(match[2]):
        raise errors.ConfigError(f"--shard={text}: expected i/n with i from 0 to n - 1, such as --shard=0/4.")
    return int(match[1]), int(match[2])
