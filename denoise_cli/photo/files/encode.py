"""Encode a picture with libvips, which writes the pixels alone; metadata are added to its bytes."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyvips

from denoise_cli.photo.files.encoding import CODECS, Encoding
from denoise_cli.photo.files.metadata import jpeg, png, tiff, webp
from denoise_cli.photo.files.metadata.carry import opened
from denoise_cli.photo.files.metadata.exif import orientation
from denoise_cli.photo.files.metadata.heif_write import PLACEHOLDER, amended
from denoise_cli.photo.files.metadata.splice import Splicer
from denoise_cli.photo.files.metadata.types import ExifDirectory

# Classic TIFF files say places in 32 bits.
_BIG = 4_000_000_000
_SAMPLES = {"uchar": 1, "ushort": 2, "float": 4}


def encode(image: pyvips.Image, path: Path, encoding: Encoding, source: Path | bytes) -> None:
    """Write `image` into the empty file `path`, with the metadata of `encoding`.

    Args:
        source: The photo, for what follows the picture in a JPEG file.

    Raises:
        pyvips.Error, OSError: It cannot be written.
    """
    if encoding.format.name == "tiff":
        _encode_tiff(image, path, encoding)
        return
    with path.open("r+b") as file:
        match encoding.format.name:
            case "png":
                head = partial(png.head, blocks=encoding.metadata.blocks)
                splicer = Splicer(file, head, encoding.metadata.blocks.tail, png.END)
                with splicer.target() as target:
                    image.pngsave_target(target, compression=6, bitdepth=encoding.bits, strip=True)
            case "jpeg":
                head = partial(jpeg.head, blocks=encoding.metadata.blocks)
                with Splicer(file, head, b"", 0).target() as target:
                    # Optimised Huffman tables would keep the whole photo's coefficients in memory.
                    image.jpegsave_target(target, Q=encoding.quality, optimize_coding=False, strip=True)
                if encoding.metadata.blocks.trailer:
                    with closing(opened(source)) as photo:
                        jpeg.add_trailer(file, encoding.metadata.blocks, photo)
            case "webp":
                head = partial(webp.head, blocks=encoding.metadata.blocks)
                # Older libraries do not keep the colours of fully transparent pixels.
                exact = {"exact": True} if pyvips.at_least_libvips(8, 16) else {}
                options = {"Q": encoding.quality, "lossless": encoding.lossless, "smart_subsample": True}
                with Splicer(file, head, encoding.metadata.blocks.tail, 0).target() as target:
                    image.webpsave_target(target, strip=True, **options, **exact)
            case _:
                _encode_heif(image, file, encoding)


def _encode_tiff(image: pyvips.Image, path: Path, encoding: Encoding) -> None:
    size = image.width * image.height * image.bands * _SAMPLES[image.format]
    target = pyvips.Target.new_to_file(os.fsencode(path))
    image.tiffsave_target(
        target, compression="deflate", predictor="horizontal", bigtiff=size > _BIG, strip=True
    )
    metadata = encoding.metadata
    tiff.add_tags(path, metadata.directory or ExifDirectory("<", {}, {}), extra=metadata.extra)


def _encode_heif(image: pyvips.Image, file: BinaryIO, encoding: Encoding) -> None:
    metadata = encoding.metadata
    image = image.copy()
    flags = 0
    for flag, name, data in (
        (1, "exif-data", PLACEHOLDER if metadata.exif else b""),
        (2, "xmp-data", metadata.xmp),
        (8, "icc-profile-data", metadata.icc),
    ):
        if data:
            flags |= flag
            image.set_type(pyvips.GValue.blob_type, name, data)
    # Unasked, libvips makes up EXIF data.
    kept = {"keep": flags} if pyvips.at_least_libvips(8, 15) else {"strip": not flags}
    data = image.heifsave_buffer(
        Q=encoding.quality,
        lossless=encoding.lossless,
        compression=CODECS[encoding.format.name],
        bitdepth=encoding.bits,
        # The usual effort, 4, takes eight times as long for a file of the same size, 0.4 dB better.
        effort=2,
        **kept,
    )
    for piece in amended(data, metadata.exif, metadata.cicp, orientation(metadata.exif)):
        file.write(piece)
