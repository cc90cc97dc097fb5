"""The denoiser `photo_unet`."""

from denoise_cli.models.info import ModelInfo

INFO = ModelInfo(
    name="photo_unet",
    kind="denoiser",
    summary="residual U-Net at half resolution, for photographs",
    network="denoise_cli.models.photo_unet.network:PhotoUNet",
    graph="denoise_cli.models.photo_unet.graph:photo_unet",
    size_multiple=8,
    receptive_radius=123,
    halo=64,  # Of the exact radius, half: 48 was wrong by 1.2/255 in one noisy corner.
    gflop_per_megapixel=118.1,
    bytes_per_pixel=145,
    parameters=(1_639_244, 1_639_244),
    batch_norm=False,
    predicts_noise=True,
    bfloat16=True,
    is_default=True,
)
