"""Seeds that depend on named integers alone, so that any step can be drawn again by itself."""

from __future__ import annotations

from hashlib import blake2b


def derive_seed(*parts: int) -> int:
    """A seed in [0, 2**63) from integers such as (run seed, step); equal parts, equal seed."""
    text = ",".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
