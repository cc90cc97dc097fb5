"""A denoiser as the package that darktable's neural denoise imports: a zip of a manifest and an ONNX file.

The layout follows darktable's `src/ai/README.md`. darktable converts to sRGB, cuts the picture into tiles
that overlap by 64 pixels on each side, mirrors it at its edges and puts the results together.
"""

from __future__ import annotations

import io
import json
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from denoise_cli.errors import WeightsError
from denoise_cli.models.registry import denoiser_info
from denoise_cli.onnx.export import check_free, denoiser_as_onnx, write_exported
from denoise_cli.onnx.graphs import PICTURE
from denoise_cli.weights.header import WeightsHeader, read_header

SUFFIX = ".dtmodel"
# darktable's own overlap of tiles, in pixels.
OVERLAP = 64
# The side of the tiles, in pixels, that darktable's own denoiser takes.
TILE = 768
# A zip holds times from 1980 on; one time makes one file of the same weights.
_TIME = (1980, 1, 1, 0, 0, 0)


def export_darktable(weights: Path, output: Path, *, overwrite: bool) -> WeightsHeader:
    """Write the denoiser of a weight file as `ID/config.json` and `ID/model.onnx` in a zip.

    Raises:
        OutputExists: `output` is there already and may not be replaced.
        WeightsError: The network sees more of a picture than a tile with its overlap, or as for
            `export_onnx`.
    """
    check_free(output, overwrite)
    info = denoiser_info(read_header(weights).name)
    if info.classifier is not None or info.halo > OVERLAP:
        raise WeightsError(
            f"{info.name} sees more than the {OVERLAP} pixels by which darktable's tiles overlap, so its "
            "tiles would not fit together.",
            "Export another model.",
        )
    architecture, model = denoiser_as_onnx(weights, ("input", "output"), shape=PICTURE)
    manifest = _manifest(architecture)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, data in (("config.json", json.dumps(manifest, indent=2).encode()), ("model.onnx", model)):
            entry = zipfile.ZipInfo(f"{manifest['id']}/{name}", _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            package.writestr(entry, data)
    write_exported(output, buffer.getvalue(), overwrite)
    return architecture


def _manifest(architecture: WeightsHeader) -> dict[str, Any]:
    info = denoiser_info(architecture.name)
    setting = "" if not info.batch_norm or architecture.batch_norm else " without batch norm"
    name = f"{info.name}{setting}"
    return {
        "id": f"denoise-{name}".lower().replace("_", "-").replace(" ", "-"),
        "name": f"denoise {name}",
        "description": f"{info.summary}; trained on {architecture.noise or 'unknown'} noise",
        "task": "denoise",
        "version": version("denoise-cli"),
        "arch": info.name,
        "backend": "onnx",
        "num_inputs": 1,
        "tiling": True,
        "attributes": {"input_sizes": [TILE]},
    }
