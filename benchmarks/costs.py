"""Seconds per megapixel of the bundled weights and of their peers, and the classical methods' scores.

    python benchmarks/costs.py [--data DATA] [--write docs/peers.json]
    python benchmarks/costs.py --real results.json --write docs/peers.json

All are timed in one run on one noisy 1-megapixel picture, rounds in turn, medians: the bundled
weights and the layers of DnCNN and FFDNet for colour in ONNX Runtime (float32), the classical
methods by scikit-image. With DATA, as in `scripts/make_weights.py`, the classical methods are
scored on its test images, as the cards score the weights; without it, a file that is there keeps its
scores, which do not depend on the machine. With `--real`, nothing is timed: what
`denoise compare --benchmark real` wrote gives the classical methods' scores on real noise, tuned on
the train pairs. `scripts/update_docs.py` reads the file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from itertools import pairwise
from pathlib import Path

import numpy as np
import skimage.data
import torch
from candidates import (
    HEIGHT,
    WIDTH,
    FFDNet,
    Way,
    ffdnet,
    graph_of,
    on_picture,
    seconds_per_megapixel,
    session,
)
from torch import nn

from denoise_cli.data.load import load_dataset
from denoise_cli.evaluation.comparison.classical import classical_method
from denoise_cli.evaluation.comparison.results import read_results
from denoise_cli.evaluation.scores.scoring import score
from denoise_cli.models.registry import DENOISERS
from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import parse_noise
from denoise_cli.onnx.graphs import denoiser_graph, guidance_graph
from denoise_cli.onnx.layers import Layers
from denoise_cli.weights.header import read_header
from denoise_cli.weights.store import list_bundled
from denoise_cli.weights.tensors import read_tensors
from denoise_cli.weights.test_sets import TEST_SETS

CLASSICAL = ("tv", "nlm")


def dncnn_layers() -> nn.Module:
    """Blind colour DnCNN (Zhang et al., 2017), batch norm folded: 20 convolutions of 64 channels."""
    network = nn.Module()
    network.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise((3, *[64] * 19, 3)))
    return network


def dncnn(layers: Layers, x: str) -> str:
    """The noise, which the layers find, taken off the picture."""
    y = x
    for number in range(19):
        y = layers.relu(layers.conv(y, f"layers.{number}"))
    return layers.graph.add("Sub", x, layers.conv(y, "layers.19"))


def on_tensors(method: nn.Module) -> Way:
    """The method, called with numpy's pictures."""
    return lambda picture: method(torch.from_numpy(picture))


def ways() -> dict[str, Way]:
    """What to time, by name; each takes a picture (1, 3, H, W)."""
    found: dict[str, Way] = {}
    for bundled in list_bundled():
        found[bundled.name] = network(bundled.path)
    for name, model, build in (("DnCNN", dncnn_layers(), dncnn), ("FFDNet", FFDNet(), ffdnet)):
        found[name] = on_picture(graph_of(model, build))
    for name in CLASSICAL:
        found[name] = on_tensors(classical_method(name, "basic")[0])
    return found


def network(path: Path) -> Way:
    """A bundled network; a guided one with its classifier, which sees a photo once, at its own size."""
    header = read_header(path)
    tensors = read_tensors(path)
    graph = denoiser_graph(header.name, tensors, header.batch_norm)
    if DENOISERS[header.name].classifier is None:
        return on_picture(graph)
    run = session(graph).run
    side = header.image_size
    guide = session(guidance_graph(header.name, tensors, header.batch_norm, side)).run

    def guided(picture: np.ndarray) -> object:
        grid = guide(None, {"thumbnail": np.ascontiguousarray(picture[..., :side, :side])})[0]
        whole = np.resize(grid, (1, grid.shape[1], HEIGHT // 8, WIDTH // 8))
        return run(None, {"image": picture, "guidance": whole})

    return guided


def noisy_picture() -> np.ndarray:
    """A photograph under `basic` noise, (1, 3, HEIGHT, WIDTH), float32 in [0, 1]."""
    picture = np.tile(skimage.data.astronaut(), (2, 2, 1))[:HEIGHT, :WIDTH]
    clean = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1)[None]
    return add_test_noise(clean, parse_noise("basic"), [0], 0).contiguous().numpy()


def classical_scores(data: Path) -> dict[str, list[dict[str, object]]]:
    """Rows as in the weights' cards, by method."""
    scores: dict[str, list[dict[str, object]]] = {name: [] for name in CLASSICAL}
    for tested in TEST_SETS:
        # The settings for real noise are tuned by the comparison itself; `sample` is not in the table.
        if tested.folder is None or tested.noises == ("real",):
            continue
        source = load_dataset(str(data / tested.folder), "test")
        for noise in tested.noises:
            for name, rows in scores.items():
                method, settings = classical_method(name, noise)
                result = score(method, source, parse_noise(noise), device=torch.device("cpu"))
                psnr = round(float(result.psnr.clamp(max=100).mean()), 3)
                rows.append({"set": tested.name, "noise": noise, "psnr": psnr, "settings": settings})
                print(f"{name:6} {tested.name} {noise}: {psnr:.3f} dB, {settings}", flush=True)
    return scores


def add_real_scores(results: Path, file: Path) -> None:
    """Put the classical methods' scores on real noise among the others, in place of earlier ones."""
    stored = json.loads(file.read_text())
    rows = stored["classical"]
    for cell in read_results(results).cells:
        if cell.kind == "classical" and cell.noise == "real" and cell.psnr is not None:
            kept = [row for row in rows.get(cell.method, []) if row["noise"] != "real"]
            psnr = round(cell.psnr, 3)
            real = {"set": "real-pairs/test", "noise": "real", "psnr": psnr, "settings": cell.settings}
            rows[cell.method] = [real, *kept]
            print(f"{cell.method:10} real: {psnr:.3f} dB, {cell.settings}")
    file.write_text(json.dumps(stored, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the test images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="file to write")
    parser.add_argument("--real", type=Path, help="results of `denoise compare --benchmark real`")
    arguments = parser.parse_args()
    if arguments.real:
        if not arguments.write:
            parser.error("--real needs --write, the file to add the scores to")
        add_real_scores(arguments.real, arguments.write)
        return
    if arguments.write and not (arguments.data or arguments.write.is_file()):
        parser.error("a new file needs --data: it holds the classical methods' scores too")
    medians = seconds_per_megapixel(ways(), noisy_picture(), arguments.rounds)
    costs = {name: round(seconds, 3) for name, seconds in medians.items()}
    for name, seconds in costs.items():
        print(
            f"{name:12} {seconds:6.2f} s/megapixel, {seconds / costs['FFDNet']:.2f} of FFDNet's", flush=True
        )
    result: dict[str, object] = {"cores": os.cpu_count(), "machine": platform.machine(), "seconds": costs}
    if arguments.data:
        result["classical"] = classical_scores(arguments.data)
    elif arguments.write:
        result["classical"] = json.loads(arguments.write.read_text())["classical"]
    if arguments.write:
        arguments.write.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
