"""The classifier `resnet`."""

from denoise_cli.models.info import ModelInfo

INFO = ModelInfo(
    name="resnet",
    kind="classifier",
    summary="small residual network, four stages of two blocks",
    network="denoise_cli.models.classifiers.resnet.network:ResNetClassifier",
    graph="denoise_cli.models.classifiers.resnet.graph:logits",
    size_multiple=1,
    receptive_radius=0,
    halo=0,
    gflop_per_megapixel=5.7,
    bytes_per_pixel=0,
    parameters=(698_985, 698_470),
    in_study=True,
)
