"""The denoiser `cnn_unet`, whose network all guided denoisers share."""

from denoise_cli.models.info import ModelInfo

INFO = ModelInfo(
    name="cnn_unet",
    kind="denoiser",
    summary="U-Net guided by the `cnn` classifier",
    network="denoise_cli.models.guided:GuidedUNet",
    graph="denoise_cli.models.guided_graph:guided_unet",
    size_multiple=16,
    receptive_radius=108,
    halo=80,
    gflop_per_megapixel=93.8,
    bytes_per_pixel=225,
    parameters=(2_030_160, 2_028_691),
    classifier="cnn",
    unguided="unet",
    in_study=True,
)
