"""The denoiser `cae`."""

from denoise_cli.models.info import ModelInfo

INFO = ModelInfo(
    name="cae",
    kind="denoiser",
    summary="convolutional autoencoder, no skip connections",
    network="denoise_cli.models.cae.network:CAE",
    graph="denoise_cli.models.cae.graph:cae",
    size_multiple=8,
    receptive_radius=34,
    halo=32,
    gflop_per_megapixel=8.5,
    bytes_per_pixel=80,
    parameters=(107_491, 107_171),
    in_study=True,
)
