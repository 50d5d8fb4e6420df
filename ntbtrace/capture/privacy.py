# SPDX-License-Identifier: GPL-2.0-or-later
"""Concealer: what `--no-payload` records in place of guest memory.

Bytes are replaced by a keyed hash of the same length (at most 64 bytes), with a key that is thrown away with the
recording. Equal bytes stay equal within one trace, so a copy can still be followed and the trace replays identical;
what they were cannot be told, not even by trying all values.
"""

import os
from hashlib import blake2b


class Concealer:
    def __init__(self) -> None:
        self._key = os.urandom(32)

    def conceal(self, data: bytes) -> bytes:
        """Hash of `data`, of the same length; longer data is hashed to 64 bytes and padded with zeros."""
        if not data:
            return data
        digest = blake2b(data, digest_size=min(len(data), 64), key=self._key).digest()
        return digest.ljust(len(data), b"\0")

    def conceal_int(self, value: int, size: int) -> int:
        return int.from_bytes(self.conceal(value.to_bytes(size, "little")), "little")
