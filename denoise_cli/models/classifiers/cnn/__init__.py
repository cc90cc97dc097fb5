"""The classifier `cnn`."""

from denoise_cli.models.info import ModelInfo

INFO = ModelInfo(
    name="cnn",
    kind="classifier",
    summary="three blocks of two 3x3 convolutions",
    network="denoise_cli.models.classifiers.cnn.network:CNNClassifier",
    graph="denoise_cli.models.classifiers.cnn.graph:logits",
    size_multiple=8,
    receptive_radius=0,
    halo=0,
    gflop_per_megapixel=298.4,
    bytes_per_pixel=0,
    parameters=(1_514_954, 1_514_058),
    in_study=True,
    is_default=True,
)
