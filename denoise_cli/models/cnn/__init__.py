"""The denoiser `cnn`."""

from denoise_cli.models.info import ModelInfo

INFO = ModelInfo(
    name="cnn",
    kind="denoiser",
    summary="six 3x3 convolutions at full resolution",
    network="denoise_cli.models.cnn.network:CNN",
    graph="denoise_cli.models.cnn.graph:cnn",
    size_multiple=1,
    receptive_radius=6,
    halo=6,
    gflop_per_megapixel=372.1,
    bytes_per_pixel=960,
    parameters=(186_688, 186_371),
    bfloat16=True,
    in_study=True,
)
