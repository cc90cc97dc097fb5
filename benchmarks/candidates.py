"""Candidates for `photo_unet`: what they cost, and what they reach at equal training cost.

    python benchmarks/candidates.py
    python benchmarks/candidates.py --data DATA --minutes 5 [--only 48-96-192/2-2-4 ...]

The first times each candidate, and FFDNet's layers for colour, in ONNX Runtime (float32, one
1-megapixel picture, rounds in turn) and in training (the trainer's precision, one thread,
batches of 32 crops of 64 pixels). The second trains each by the shipped recipe for so many
minutes of processor time and scores it on the held-out images. DATA is as in
`scripts/make_weights.py`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional as F
from training import OurLoop

from denoise_cli.config import TrainConfig
from denoise_cli.devices import autocast, resolve_precision
from denoise_cli.evaluation.scores.scoring import score
from denoise_cli.models import count_parameters
from denoise_cli.models.photo_unet.graph import photo_unet
from denoise_cli.models.photo_unet.network import PhotoUNet
from denoise_cli.noise.spec import parse_noise
from denoise_cli.onnx.layers import Layers
from denoise_cli.onnx.protobuf import Graph
from denoise_cli.onnx.runtime import ort
from denoise_cli.training.data import Data, load_data
from denoise_cli.training.optim import build_optimizer

RECIPE = Path(__file__).parents[1] / "configs" / "weights" / "photo_unet.yaml"
# Takes a picture (1, 3, H, W).
Way = Callable[[np.ndarray], object]
# One megapixel, in multiples of 16.
HEIGHT, WIDTH = 992, 1008
# Widths and residual blocks by level.
CANDIDATES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "48-96-192/2-2-4": ((48, 96, 192), (2, 2, 4)),
    "32-64-128/2-2-4": ((32, 64, 128), (2, 2, 4)),
    "48-96-192/1-1-2": ((48, 96, 192), (1, 1, 2)),
    "64-128-192/1-1-3": ((64, 128, 192), (1, 1, 3)),
    "64-128-256/1-1-2": ((64, 128, 256), (1, 1, 2)),
    "32-64-128-256/1-1-1-1": ((32, 64, 128, 256), (1, 1, 1, 1)),
    "32-64-128-192/2-1-1-1": ((32, 64, 128, 192), (2, 1, 1, 1)),
}


class FFDNet(nn.Module):
    """Colour FFDNet's layers (Zhang et al., 2018): 12 convolutions of 96 channels at half resolution."""

    def __init__(self) -> None:
        super().__init__()
        widths = (15, *[96] * 11, 12)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        level = x.new_full((len(x), 3, x.shape[2] // 2, x.shape[3] // 2), 0.1)
        y = torch.cat([F.pixel_unshuffle(x, 2), level], dim=1)
        for layer in self.layers[:-1]:
            y = F.relu(layer(y), inplace=True)
        return F.pixel_shuffle(self.layers[-1](y), 2)


def ffdnet(layers: Layers, x: str) -> str:
    """`FFDNet`, but for the order of its input channels."""
    level = layers.graph.constant(np.full((1, 3, HEIGHT // 2, WIDTH // 2), 0.1, np.float32))
    unshuffled = layers.graph.add("SpaceToDepth", x, blocksize=2)
    y = layers.graph.add("Concat", unshuffled, level, axis=1)
    for number in range(11):
        y = layers.relu(layers.conv(y, f"layers.{number}"))
    return layers.graph.add("DepthToSpace", layers.conv(y, "layers.11"), blocksize=2, mode="CRD")


def graph_of(model: nn.Module, build: Callable[[Layers, str], str]) -> bytes:
    """The 1-megapixel graph that `build` makes of the model's tensors; its input is `image`."""
    graph = Graph()
    layers = Layers(
        graph, {name: value.numpy() for name, value in model.state_dict().items()}, batch_norm=False
    )
    image = graph.input("image", (1, 3, HEIGHT, WIDTH))
    graph.output(build(layers, image), "denoised", (1, 3, HEIGHT, WIDTH))
    return graph.serialize()


def session(graph: bytes, threads: int = 0) -> ort.InferenceSession:
    """ONNX Runtime with its defaults, and so many threads; 0: one per core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def on_picture(graph: bytes, threads: int = 0) -> Way:
    """A session that takes a picture."""
    run = session(graph, threads).run
    return lambda picture: run(None, {"image": picture})


def seconds_per_megapixel(ways: dict[str, Way], picture: np.ndarray, rounds: int) -> dict[str, float]:
    """Median over the rounds; each runs every way once, after one round that does not count.

    Args:
        picture: (1, 3, H, W), float32 in [0, 1].
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, run in ways.items():
            start = time.perf_counter()
            run(picture)
            if number:
                times[name].append(time.perf_counter() - start)
    megapixels = picture.shape[2] * picture.shape[3] / 1e6
    return {name: statistics.median(values) / megapixels for name, values in times.items()}


def training_rate(model: nn.Module, steps: int) -> float:
    """Crops of 64 pixels per second of processor time, one thread."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    config = recipe(Path())
    dtype = resolve_precision(config.precision, device)
    model = model.train().to(memory_format=torch.channels_last)
    optimizer = build_optimizer(model, config.optim, device)
    x = torch.rand(config.batch_size, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    for number in range(steps + 1):
        if number == 1:
            start = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, dtype):
            loss = F.mse_loss(model(x).float(), x)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return steps * config.batch_size / (time.process_time() - start)


def recipe(data: Path, **changes: object) -> TrainConfig:
    """The shipped recipe with this machine's folders."""
    text = yaml.safe_load(RECIPE.read_text())
    for item in text["data"]["mix"]:
        item["dataset"] = str(data / Path(item["dataset"]).name)
    text["data"]["holdout"] = 0.1
    return TrainConfig.model_validate({**text, "compile": "off", **changes})


def train(name: str, data: Data, folder: Path, minutes: float) -> None:
    """Train for so many minutes of processor time, and print the scores of the averaged weights."""
    probe = _loop(name, data, recipe(folder))
    probe.step()
    start, steps = time.process_time(), 6
    for _ in range(steps):
        probe.step()
    total = max(1, round(60 * minutes * steps / (time.process_time() - start)))
    loop = _loop(name, data, recipe(folder, steps=total))
    start = time.process_time()
    for _ in range(total):
        loop.step()
    seconds = time.process_time() - start
    average = loop._trainer.average
    assert average is not None
    loop.model.load_state_dict(average.module.state_dict())
    scores = []
    for noise in ("awgn:15", "awgn:25", "awgn:50", "basic", "intense", "gaussian:0"):
        result = score(loop.model, data.validation, parse_noise(noise), device=torch.device("cpu"))
        scores.append(f"{noise} {float(result.psnr.clamp(max=60).mean()):.3f}")
    print(f"{name:24} {total} steps, {seconds:.0f} s:  {'  '.join(scores)}", flush=True)


def _loop(name: str, data: Data, config: TrainConfig) -> OurLoop:
    torch.manual_seed(config.seed)
    return OurLoop(config, data, torch.device("cpu"), PhotoUNet(*CANDIDATES[name]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(CANDIDATES), default=list(CANDIDATES))
    parser.add_argument("--data", type=Path, help="train, on the folders in this one")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=2, help="of ONNX Runtime")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.data:
        torch.set_num_threads(1)
        data = load_data(recipe(arguments.data))
        for name in arguments.only:
            train(name, data, arguments.data, arguments.minutes)
        return
    models: dict[str, nn.Module] = {"FFDNet": FFDNet()}
    models |= {name: PhotoUNet(*CANDIDATES[name]).eval() for name in arguments.only}
    ways = {
        name: on_picture(graph_of(model, ffdnet if name == "FFDNet" else photo_unet), arguments.threads)
        for name, model in models.items()
    }
    picture = np.random.default_rng(0).random((1, 3, HEIGHT, WIDTH), np.float32)
    costs = seconds_per_megapixel(ways, picture, arguments.rounds)
    print(f"{'':24} parameters  s/megapixel  crops/s in training")
    for name, model in models.items():
        rate = training_rate(model, steps=3)
        print(f"{name:24} {count_parameters(model):10,} {costs[name]:12.2f} {rate:20.1f}", flush=True)


if __name__ == "__main__":
    main()
