"""What each architecture is and needs, without importing torch.

The commands list, check and plan with these facts; `build_denoiser` and
`build_classifier` of `denoise_cli.models` turn an entry into a `torch.nn.Module`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from denoise_cli.errors import UnknownName

Kind = Literal["denoiser", "classifier"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Facts of one architecture that hold for every weight file of it.

    Attributes:
        name: Registry key.
        kind: What the network puts out: a picture or class logits.
        target: `module:class` that builds it.
        summary: One line for tables.
        size_multiple: Height and width are padded to a multiple of this.
        receptive_radius: Pixels (in the input) that an output pixel can see in each
            direction; tiles with this halo agree with the whole picture exactly.
        halo: Smallest measured halo, in pixels, whose largest error on noisy
            photographs is at most 0.5/255 (`benchmarks/halo.py`).
        gflop_per_megapixel: Multiplications and additions of one forward pass, in 1e9,
            per 1e6 input pixels (without the classifier that guides a model, which sees one
            small picture).
        memory_per_pixel: Bytes of a forward pass at its peak, per input pixel, in float32
            (`benchmarks/throughput.py`); what a window of a photo may cost follows from it.
        classifier: Registry key of the classifier that guides it, if any.
        batch_norm: Whether it can be built with batch normalisation; where it cannot, that
            setting is False whatever was asked for.
        channels: Colour channels in and out.
    """

    name: str
    kind: Kind
    target: str
    summary: str
    size_multiple: int
    receptive_radius: int
    halo: int
    gflop_per_megapixel: float
    memory_per_pixel: int
    classifier: str | None = None
    batch_norm: bool = True
    channels: int = 3


_ENTRIES = (
    ModelInfo(
        name="cnn",
        kind="denoiser",
        target="denoise_cli.models.cnn:CNN",
        summary="six 3x3 convolutions at full resolution",
        size_multiple=1,
        receptive_radius=6,
        halo=6,
        gflop_per_megapixel=372.1,
        memory_per_pixel=960,
    ),
    ModelInfo(
        name="cae",
        kind="denoiser",
        target="denoise_cli.models.cae:CAE",
        summary="convolutional autoencoder, no skip connections",
        size_multiple=8,
        receptive_radius=34,
        halo=32,
        gflop_per_megapixel=8.5,
        memory_per_pixel=80,
    ),
    ModelInfo(
        name="unet",
        kind="denoiser",
        target="denoise_cli.models.unet:UNet",
        summary="four-level U-Net",
        size_multiple=16,
        receptive_radius=108,
        halo=72,
        gflop_per_megapixel=92.6,
        memory_per_pixel=215,
    ),
    ModelInfo(
        name="cnn_unet",
        kind="denoiser",
        target="denoise_cli.models.guided:GuidedUNet",
        summary="U-Net guided by the `cnn` classifier",
        size_multiple=16,
        receptive_radius=108,
        halo=80,
        gflop_per_megapixel=93.8,
        memory_per_pixel=225,
        classifier="cnn",
    ),
    ModelInfo(
        name="resnet_unet",
        kind="denoiser",
        target="denoise_cli.models.guided:GuidedUNet",
        summary="U-Net guided by the `resnet` classifier",
        size_multiple=16,
        receptive_radius=108,
        halo=80,
        gflop_per_megapixel=93.8,
        memory_per_pixel=225,
        classifier="resnet",
    ),
    ModelInfo(
        name="photo_unet",
        kind="denoiser",
        target="denoise_cli.models.photo_unet:PhotoUNet",
        summary="residual U-Net at half resolution, for photographs",
        size_multiple=8,
        receptive_radius=123,
        halo=48,  # 40 would do; its weights are trained again more often than others
        gflop_per_megapixel=118.1,
        memory_per_pixel=145,
        batch_norm=False,
    ),
    ModelInfo(
        name="cnn",
        kind="classifier",
        target="denoise_cli.models.classifiers:CNNClassifier",
        summary="three blocks of two 3x3 convolutions",
        size_multiple=8,
        receptive_radius=0,
        halo=0,
        gflop_per_megapixel=298.4,
        memory_per_pixel=0,
    ),
    ModelInfo(
        name="resnet",
        kind="classifier",
        target="denoise_cli.models.classifiers:ResNetClassifier",
        summary="small residual network, four stages of two blocks",
        size_multiple=1,
        receptive_radius=0,
        halo=0,
        gflop_per_megapixel=5.7,
        memory_per_pixel=0,
    ),
)

DENOISERS: dict[str, ModelInfo] = {e.name: e for e in _ENTRIES if e.kind == "denoiser"}
# The reference study's denoisers, in its order: what `denoise compare` shows by default.
STUDY = ("cnn", "cae", "unet", "cnn_unet", "resnet_unet")
CLASSIFIERS: dict[str, ModelInfo] = {e.name: e for e in _ENTRIES if e.kind == "classifier"}


def denoiser_info(name: str) -> ModelInfo:
    """Return the entry of a denoiser; raises `UnknownName` with the nearest names."""
    return _find(DENOISERS, name, "model")


def uses_batch_norm(name: str, wanted: bool) -> bool:
    """The batch-norm setting of a denoiser where `wanted` is asked for."""
    return wanted and denoiser_info(name).batch_norm


def classifier_info(name: str) -> ModelInfo:
    """Return the entry of a classifier; raises `UnknownName` with the nearest names."""
    return _find(CLASSIFIERS, name, "classifier")


def _find(entries: dict[str, ModelInfo], name: str, what: str) -> ModelInfo:
    key = name.lower().replace("-", "_")
    if key not in entries:
        raise UnknownName(what, name, list(entries))
    return entries[key]
