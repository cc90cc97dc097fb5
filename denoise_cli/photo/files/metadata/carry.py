"""Decide what a result carries of a photo's metadata, and what its user is told."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.metadata import exif, xmp
from denoise_cli.photo.files.metadata.icc import for_colour, is_srgb, profile_of
from denoise_cli.photo.files.metadata.table import CONTAINERS
from denoise_cli.photo.files.metadata.types import WORDS, ExifDirectory, Metadata

_SHOWN = 6


def opened(source: Path | bytes) -> BinaryIO:
    """A photo's file or bytes, for reading."""
    return io.BytesIO(source) if isinstance(source, bytes) else cast(BinaryIO, source.open("rb"))


def read_metadata(source: Path | bytes, format_name: str) -> Metadata:
    """The metadata of a photo; damaged ones do not keep its pixels from being read."""
    try:
        with closing(opened(source)) as file:
            return CONTAINERS[format_name].read(file)
    except (struct.error, zlib.error, ValueError, LookupError, OverflowError):
        return Metadata(dropped=("damaged metadata",))


def convert(
    metadata: Metadata, old: str, new: str, name: str, *, grey: bool
) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata for a result, and what it loses, in words.

    Args:
        old, new: Names of the formats.
        name: The photo's, for messages.
        grey: The result has one colour channel.

    Raises:
        ImageError: The new format cannot say what the colours mean, as those of HDR pictures.
    """
    container = CONTAINERS[new]
    if old == new and container.build is not None:
        return metadata, metadata.dropped
    lost = [*metadata.dropped, *metadata.only_here]
    fields: dict[str, Any] = {"xmp": xmp.unannounced(metadata.xmp), "icc": metadata.icc}
    if metadata.exif and exif.read_block(metadata.exif) is None:
        lost.append("damaged EXIF data")
        metadata = replace(metadata, exif=b"")
    cicp = metadata.cicp
    if cicp is not None and "cicp" not in container.holds:
        fields["cicp"] = None
        if not metadata.icc and not is_srgb(cicp):
            fields["icc"] = profile_of(cicp, grey)
            if not fields["icc"]:
                raise ImageError(
                    f"{name} has colours that {new.upper()} files cannot describe, as HDR pictures have "
                    f"(primaries {cicp[0]}, transfer function {cicp[1]} of ITU-T H.273).",
                    "Choose --format avif or --format png.",
                )
    if not container.grey:
        fields["icc"] = for_colour(fields["icc"])
        lost += ["colour profile"] if metadata.icc and not fields["icc"] else []
    if metadata.resolution is not None and "resolution" not in container.holds and "exif" in container.holds:
        if not metadata.exif:
            entries = exif.resolution_entries(metadata.resolution)
            fields["exif"] = exif.pack_block(ExifDirectory("<", entries, {}))
            fields["resolution"] = None
        elif exif.resolution(exif.read_block(metadata.exif)) is not None:
            fields["resolution"] = None
    result = replace(metadata, **fields)
    for field in WORDS:
        if field not in container.holds and getattr(result, field):
            lost.append(WORDS[field])
    if container.build is not None:
        result = container.build(replace(result, dropped=()))
        lost += result.dropped
    return result, tuple(dict.fromkeys(lost))


def listed(words: tuple[str, ...]) -> str:
    """The words with commas; the first of very many."""
    more = f", and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
