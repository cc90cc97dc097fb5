"""The denoiser `unet`."""

from denoise_cli.models.info import ModelInfo

INFO = ModelInfo(
    name="unet",
    kind="denoiser",
    summary="four-level U-Net",
    network="denoise_cli.models.unet.network:UNet",
    graph="denoise_cli.models.unet.graph:unet",
    size_multiple=16,
    receptive_radius=108,
    halo=72,
    gflop_per_megapixel=92.6,
    bytes_per_pixel=215,
    parameters=(1_942_608, 1_941_139),
    in_study=True,
)
