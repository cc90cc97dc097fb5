"""Open mutated photos of every format: each must be read or refused, soon and in little memory.

Each photo is opened in a process of its own, which is killed after 20 s. What goes wrong is kept:

    python benchmarks/fuzz_photos.py --count 4000 --keep /tmp/fuzz [--also photos/]
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import signal
import struct
import sys
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.read import open_photo

SECONDS = 20
MEMORY = 1_200_000_000
PNG = b"\x89PNG\r\n\x1a\n"
READ, REFUSED, FAILED = 0, 1, 2
NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def samples() -> Iterator[tuple[str, bytes]]:
    """Small sound photos: format and content."""
    rng = np.random.default_rng(0)
    pixels = (
        np.add.outer(np.arange(48), np.arange(56))[..., None] + rng.integers(0, 40, (48, 56, 4))
    ).astype("u1")
    rgb = Image.fromarray(pixels[..., :3])
    modes = {mode: rgb.convert(mode) for mode in ("L", "P", "1", "CMYK", "RGB")}
    modes["RGBA"] = Image.fromarray(pixels)
    plain: tuple[tuple[str, str, dict[str, Any]], ...] = (
        *[("PNG", mode, {}) for mode in ("L", "P", "1", "RGB", "RGBA")],
        *[("JPEG", mode, {"progressive": late}) for mode in ("L", "RGB", "CMYK") for late in (False, True)],
        *[("WEBP", mode, {"lossless": exact}) for mode in ("RGB", "RGBA") for exact in (False, True)],
        *[("AVIF", mode, {}) for mode in ("RGB", "RGBA")],
        *[("BMP", mode, {}) for mode in ("L", "P", "1", "RGB", "RGBA")],
        *[
            ("TIFF", mode, {"compression": name})
            for mode in ("RGB", "L")
            for name in ("tiff_lzw", "packbits", "jpeg")
        ],
        *[("TIFF", "1", {"compression": "group4"}), ("TIFF", "P", {}), ("TIFF", "CMYK", {})],
    )
    for kind, mode, options in plain:
        file = io.BytesIO()
        modes[mode].save(file, kind, **options)
        yield kind, file.getvalue()
    runs = b"".join(b"\x10\1\x28\2\0\0" for _ in range(48)) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 56, 48, 1, 8, 1, 0, 0, 0, 0, 0)
    yield "BMP", b"BM" + struct.pack("<III", 0, 0, 54 + 1024) + header + bytes(1024) + runs
    for dtype in ("u1", "u2", "f4"):
        stored = (pixels[..., :3] / (1 if dtype[0] == "u" else 255)).astype(dtype)
        layouts: list[dict[str, Any]] = [{"rowsperstrip": 8}, {"tile": (16, 32)}, {"bigtiff": True}]
        for options in layouts:
            for planes in ("contig", "separate"):
                file = io.BytesIO()
                data = stored if planes == "contig" else np.moveaxis(stored, -1, 0)
                tifffile.imwrite(
                    file, data, photometric="rgb", planarconfig=planes, compression="zlib", **options
                )
                yield "TIFF", file.getvalue()


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few changes, most of them near the start, where the headers are."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        last = min(len(changed), chance.choice((32, 300, len(changed)))) - 1
        place = chance.randint(0, max(last, 0))
        match chance.choices(range(6), (1, 4, 4, 4, 1, 1))[0]:
            case 0:
                del changed[place:]
            case 1:
                changed[place : place + 1] = bytes([chance.randrange(256)])
            case 2:
                order = chance.choice("<>")
                changed[place : place + 4] = struct.pack(order + "I", chance.choice(NUMBERS))
            case 3:
                changed[place : place + 2] = struct.pack(
                    chance.choice("<>") + "H", chance.choice(NUMBERS) & 0xFFFF
                )
            case 4:
                changed[place:place] = changed[place : place + chance.randint(1, 64)]
            case 5:
                del changed[place : place + chance.randint(1, 64)]
    return with_checksums(bytes(changed)) if data.startswith(PNG) else bytes(changed)


def with_checksums(data: bytes) -> bytes:
    """A PNG file whose chunks have the right checksums, without which nothing in them would be read."""
    result, place = bytearray(data), len(PNG)
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 <= len(data):
            struct.pack_into(">I", result, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(result)


def open_in_process(data: bytes) -> tuple[int, int, float, float]:
    """What a process that opens the photo ends with: status, signal, bytes of memory, and seconds."""
    start = time.monotonic()
    process = os.fork()
    if process == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (4 * MEMORY, 4 * MEMORY))
        signal.alarm(SECONDS)
        try:
            for _ in open_photo(data).strips(64):
                pass
            status = READ
        except ImageError:
            status = REFUSED
        except BaseException:
            traceback.print_exc()
            status = FAILED
        sys.stderr.flush()
        os._exit(status)
    _, status, usage = os.wait4(process, 0)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return os.waitstatus_to_exitcode(status), number, usage.ru_maxrss * 1024, time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=4000, help="photos in all (default 4000)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default 0)")
    parser.add_argument("--keep", type=Path, help="folder for photos with which something goes wrong")
    parser.add_argument("--also", type=Path, help="folder of more sound photos, such as HEIC and raw files")
    arguments = parser.parse_args()
    known = list(samples())
    if arguments.also:
        known += [(path.suffix[1:].upper(), path.read_bytes()) for path in sorted(arguments.also.iterdir())]
    kinds = sorted({kind for kind, _ in known})
    seen: Counter[tuple[str, str]] = Counter()
    slowest = largest = 0.0
    for number in range(arguments.count):
        chance = random.Random(arguments.seed * 1_000_003 + number)
        kind = kinds[number % len(kinds)]
        data = mutated(chance.choice([data for name, data in known if name == kind]), chance)
        status, killed, memory, seconds = open_in_process(data)
        slowest, largest = max(slowest, seconds), max(largest, memory)
        what = {READ: "read", REFUSED: "refused"}.get(status, f"signal {killed}" if killed else "error")
        if memory > MEMORY:
            what = "memory"
        seen[kind, what] += 1
        if what not in {"read", "refused"} and arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            (arguments.keep / f"{kind.lower()}-{number}-{what.replace(' ', '')}").write_bytes(data)
    for (kind, what), count in sorted(seen.items()):
        print(f"{kind:5} {what:10} {count:6}")
    print(f"slowest {slowest:.1f} s, largest {largest / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
