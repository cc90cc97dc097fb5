"""TIFF tags."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from denoise_cli.photo.files.metadata import exif
from denoise_cli.photo.files.metadata.types import ExifDirectory, ExifEntry, Metadata

# A preview, a smaller version or a mask, by NewSubfileType; a file has few before its picture.
_SUBFILE, _MINOR, _MOST_PREVIEWS = 254, 1 | 4, 16
_BITS, _PHOTOMETRIC, _EXTRA, _SUBIFDS = 258, 262, 338, 330
_XMP, _IPTC, _PHOTOSHOP, _ICC = 700, 33723, 34377, 34675
# How the pixels are stored, which the new file says itself.
_STORAGE = {
    *range(254, 269),
    *(
        273,
        277,
        278,
        279,
        280,
        281,
        284,
        288,
        289,
        292,
        293,
        317,
        320,
        321,
        322,
        323,
        324,
        325,
        326,
        327,
        328,
    ),
    *(_SUBIFDS, 332, 333, 334, 336, _EXTRA, 339, 340, 341, 342, 343, 344, 345, 346, 347, 351, 400),
    *range(512, 522),
    *(529, 530, 531, 532, 559, 32781, 33424, *range(32995, 32999), *range(34016, 34034), 50674),
}
# Curves of as many values as a depth has, and the colours of photos whose colours are converted.
_CURVES = {290, 291, 301}
_COLOUR = {318, 319, _ICC} | _CURVES
_CONVERTED = {5, 8, 9, 10}
# Photoshop opens these layers, which are not denoised, instead of the picture.
_LAYERS = {37724: "Photoshop layers, which would hide the result"}
# What EXIF blocks have in their first directory, but for what goes elsewhere.
_IN_EXIF = {
    *(
        269,
        270,
        271,
        272,
        274,
        282,
        283,
        285,
        296,
        297,
        301,
        305,
        306,
        315,
        316,
        318,
        319,
        33432,
        18246,
        18249,
    ),
    *(0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 50341),
}
_GEO = {33550, 33920, 33922, 34264, 34735, 34736, 34737}
_ELSEWHERE = {_XMP, _IPTC, _PHOTOSHOP, _ICC, 0x8773}


def read(file: BinaryIO) -> Metadata:
    """The metadata of a TIFF file's picture; `struct.error` where they are damaged."""
    reader = exif.TiffReader(file)
    directory, more = _of_picture(reader)
    order, entries = directory.order, directory.entries
    gone = set(_STORAGE) | set(_LAYERS)
    photometric = exif.numbers(entries.get(_PHOTOMETRIC), order)
    if photometric[:1] and photometric[0] in _CONVERTED:
        gone |= _COLOUR
    if set(exif.numbers(entries.get(_BITS), order)) - {8, 16, 32}:
        gone |= _CURVES
    own = ExifDirectory(order, exif.without(entries, gone), directory.below)
    dropped = [word for tag, word in _LAYERS.items() if tag in entries]
    dropped += [f"damaged TIFF tag {tag}" for tag in reader.damaged if tag not in gone]
    if _SUBIFDS in entries or more:
        dropped.append("smaller versions and masks")
    in_exif = ExifDirectory(
        order, {tag: entry for tag, entry in own.entries.items() if tag in _IN_EXIF}, directory.below
    )
    extra = exif.numbers(entries.get(_EXTRA), order)
    return Metadata(
        exif=exif.pack_block(in_exif) if in_exif.entries.keys() - exif.RESOLUTION or in_exif.below else b"",
        xmp=_bytes(own, _XMP),
        icc=_bytes(own, _ICC),
        photoshop=_resources(own),
        resolution=exif.resolution(own),
        directory=own,
        only_here=_only_here(own),
        dropped=tuple(dropped),
        extra=extra[:1] == (0,),
    )


def _of_picture(reader: exif.TiffReader) -> tuple[ExifDirectory, bool]:
    """The directory of the picture, with what only the first one says of it; whether there are more."""
    first, following = reader.directory(reader.first)
    found = first
    for _ in range(_MOST_PREVIEWS):
        flags = exif.numbers(found.entries.get(_SUBFILE), found.order)
        if not following or not flags[:1] or not flags[0] & _MINOR:
            break
        found, following = reader.directory(following)
    else:
        return first, True
    for tag, entry in first.entries.items():
        if tag not in _STORAGE:
            found.entries.setdefault(tag, entry)
    for tag, below in first.below.items():
        found.below.setdefault(tag, below)
    return found, bool(following) or found is not first


def build(metadata: Metadata) -> Metadata:
    """The metadata of another format's file, with the directory that holds them."""
    block = exif.read_block(metadata.exif) or ExifDirectory("<", {}, {})
    order = block.order
    entries = exif.without(block.entries, _STORAGE | _ELSEWHERE)
    if metadata.resolution is not None and exif.X_RESOLUTION not in entries:
        for tag, entry in exif.resolution_entries(metadata.resolution).items():
            entries[tag] = ExifEntry(entry.kind, entry.count, exif.in_order(entry, "<", order))
    for tag, kind, data in (
        (_XMP, 1, metadata.xmp),
        (_PHOTOSHOP, 7, metadata.photoshop),
        (_ICC, 7, metadata.icc),
    ):
        if data:
            entries[tag] = ExifEntry(kind, len(data), data)
    return replace(metadata, directory=ExifDirectory(order, entries, block.below))


def add_tags(path: Path, tags: ExifDirectory, *, extra: bool) -> None:
    """Write a new file's first directory anew at its end, with these tags.

    Args:
        extra: The channel after the colours is of no stated meaning.
    """
    with path.open("r+b") as file:
        reader = exif.TiffReader(file)
        found, following = reader.directory(reader.first)
        order = reader.order
        entries = {tag: entry for tag, entry in found.entries.items() if tag in _STORAGE}
        for tag, entry in tags.entries.items():
            # IPTC data are bytes, though their type is often that of numbers.
            data = entry.data if tag == _IPTC else exif.in_order(entry, tags.order, order)
            entries[tag] = ExifEntry(entry.kind, entry.count, data)
        if extra and _EXTRA in entries:
            entries[_EXTRA] = ExifEntry(exif.SHORT, 1, struct.pack(order + "H", 0))
        end = file.seek(0, 2)
        end += file.write(bytes(end % 2))
        whole = ExifDirectory(order, entries, tags.below)
        file.write(exif.pack_directory(whole, order, end, big=reader.big, following=following))
        # The file is valid at every step: its header is changed last.
        file.seek(8 if reader.big else 4)
        file.write(struct.pack(order + ("Q" if reader.big else "I"), end))


def _bytes(directory: ExifDirectory, tag: int) -> bytes:
    entry = directory.entries.get(tag)
    return b"" if entry is None else entry.data


def _resources(directory: ExifDirectory) -> bytes:
    """Photoshop's blocks; where there is IPTC data alone, a block of that."""
    blocks, data = _bytes(directory, _PHOTOSHOP), _bytes(directory, _IPTC)
    if not data or b"8BIM\x04\x04" in blocks:
        return blocks
    return blocks + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)


def _only_here(directory: ExifDirectory) -> tuple[str, ...]:
    """What the tags hold that no other format has a place for, in words."""
    others = set(directory.entries) - _IN_EXIF - _ELSEWHERE
    words = ["GeoTIFF tags"] if others & _GEO else []
    return (*words, *(f"TIFF tag {tag}" for tag in sorted(others - _GEO)))
