"""Our networks as ONNX graphs, built from the tensors of a weight file without torch.

Each function here says again what a class in `denoise_cli.models` says; a test holds that both
compute the same.
"""

from __future__ import annotations

from collections.abc import Callable

from denoise_cli.models.registry import denoiser_info
from denoise_cli.onnx.layers import Layers, Tensors
from denoise_cli.onnx.protobuf import Graph
from denoise_cli.weights.header import Architecture

GUIDANCE_CHANNELS = 32
_PICTURE = (1, 3, "height", "width")


def has_graph(architecture: Architecture) -> bool:
    """Whether a denoiser can be built here; guidance other than the study's cannot."""
    return (architecture.guidance, architecture.injection) == ("predicted", "concat")


def denoiser_graph(name: str, tensors: Tensors, batch_norm: bool) -> bytes:
    """The model from `image` (1, 3, H, W), sizes multiples of the size multiple, to `denoised`.

    A guided model has a second input `guidance` (1, 32, H/8, W/8).
    """
    graph = Graph()
    layers = Layers(graph, tensors, batch_norm)
    image = graph.input("image", _PICTURE)
    if denoiser_info(name).classifier is None:
        y = PLAIN[name](layers, image)
    else:
        guidance = graph.input("guidance", (1, GUIDANCE_CHANNELS, "rows", "columns"))
        y = unet(layers, image, "unet.", guidance)
    graph.output(y, "denoised", _PICTURE)
    return graph.serialize()


def guidance_graph(name: str, tensors: Tensors, batch_norm: bool, image_size: int) -> bytes:
    """The model from `thumbnail` (1, 3, S, S) to `guidance` (1, 32, S/8, S/8)."""
    graph = Graph()
    layers = Layers(graph, tensors, batch_norm)
    thumbnail = graph.input("thumbnail", (1, 3, image_size, image_size))
    shape = (1, GUIDANCE_CHANNELS, image_size // 8, image_size // 8)
    graph.output(guidance(layers, name, thumbnail, image_size // 8), "guidance", shape)
    return graph.serialize()


def guidance(layers: Layers, name: str, thumbnail: str, grid: int) -> str:
    """Classifier and linear layer of a guided model: the map (1, 32, grid, grid)."""
    classifier = denoiser_info(name).classifier
    if classifier is None:
        raise ValueError(f"{name} is not guided")
    logits = CLASSIFIERS[classifier](layers, thumbnail, "classifier.")
    return layers.reshape(layers.linear(logits, "embed"), 1, GUIDANCE_CHANNELS, grid, grid)


def cnn(layers: Layers, x: str) -> str:
    """`models.cnn.CNN`."""
    for number in range(5):
        x = layers.conv_relu(x, f"hidden.{number}")
    return layers.graph.add("Sigmoid", layers.conv(x, "last"))


def cae(layers: Layers, x: str) -> str:
    """`models.cae.CAE`."""
    for number in range(6):
        x = layers.conv_relu(x, f"encoder.{number}", stride=2 - number % 2)
    # Each step of the decoder is upsampling, [batch norm,] ReLU, convolution.
    step = 4 if layers.batch_norm else 3
    for start in (0, step):
        norm = f"decoder.{start + 1}" if layers.batch_norm else None
        x = layers.relu(layers.upsample(x, f"decoder.{start}", norm))
        x = layers.conv_relu(x, f"decoder.{start + step - 1}")
    return layers.graph.add("Sigmoid", layers.upsample(x, "last"))


def unet(layers: Layers, x: str, prefix: str = "", guidance: str | None = None) -> str:
    """`models.unet.UNet`."""
    skips = []
    for level in range(4):
        x = layers.double_conv(x, f"{prefix}down.{level}")
        skips.append(x)
        x = layers.max_pool(x)
    x = layers.double_conv(x, f"{prefix}bottleneck")
    for level in range(4):
        parts = [skips.pop(), layers.upsample(x, f"{prefix}upsample.{level}")]
        if guidance is not None and level == 0:
            parts.append(guidance)
        x = layers.double_conv_joined(parts, f"{prefix}up.{level}")
    return layers.graph.add("Sigmoid", layers.conv(x, f"{prefix}last"))


def photo_unet(layers: Layers, x: str) -> str:
    """`models.photo_unet.PhotoUNet`."""
    y = layers.unshuffled_conv(x, "first")
    skips = []
    depth = layers.count("down")
    for level in range(depth):
        y = _residual_blocks(layers, y, f"encoder.{level}")
        skips.append(y)
        y = layers.downsample(y, f"down.{level}")
    y = _residual_blocks(layers, y, "middle")
    for level in range(depth):
        y = layers.graph.add("Add", layers.upsample(y, f"up.{level}"), skips.pop())
        y = _residual_blocks(layers, y, f"decoder.{level}")
    noise = layers.graph.add("DepthToSpace", layers.conv(y, "last"), blocksize=2, mode="CRD")
    return layers.clip(layers.graph.add("Sub", x, noise))


def _residual_blocks(layers: Layers, x: str, name: str) -> str:
    for block in range(layers.count(name)):
        y = layers.conv(layers.relu(layers.conv(x, f"{name}.{block}.first")), f"{name}.{block}.second")
        x = layers.graph.add("Add", y, x)
    return x


def cnn_classifier(layers: Layers, x: str, prefix: str) -> str:
    """`models.classifiers.CNNClassifier`: logits."""
    for block in range(3):
        x = layers.conv_relu(x, f"{prefix}blocks.{3 * block}")
        x = layers.max_pool(layers.conv_relu(x, f"{prefix}blocks.{3 * block + 1}"))
    return layers.linear(layers.graph.add("Flatten", x), f"{prefix}linear")


def resnet_classifier(layers: Layers, x: str, prefix: str) -> str:
    """`models.classifiers.ResNetClassifier`: logits."""
    x = layers.conv(x, f"{prefix}stem.0", f"{prefix}stem.1" if layers.batch_norm else None, stride=2)
    x = layers.relu(layers.max_pool(x, 3, padding=1))
    for block in range(8):
        x = _basic_block(layers, x, f"{prefix}blocks.{block}", stride=2 if block < 2 else 1)
    return layers.linear(
        layers.graph.add("Flatten", layers.graph.add("GlobalAveragePool", x)), f"{prefix}linear"
    )


def _basic_block(layers: Layers, x: str, name: str, stride: int) -> str:
    y = layers.conv(layers.conv_relu(x, f"{name}.first", stride), f"{name}.second")
    if layers.has(f"{name}.shortcut.0.weight"):
        norm = f"{name}.shortcut.1" if layers.batch_norm else None
        x = layers.conv(x, f"{name}.shortcut.0", norm, stride)
    return layers.relu(layers.graph.add("Add", y, x))


PLAIN: dict[str, Callable[[Layers, str], str]] = {
    "cnn": cnn,
    "cae": cae,
    "unet": unet,
    "photo_unet": photo_unet,
}
CLASSIFIERS: dict[str, Callable[[Layers, str, str], str]] = {
    "cnn": cnn_classifier,
    "resnet": resnet_classifier,
}
