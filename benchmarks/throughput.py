"""How much of ONNX Runtime's speed is left when a whole photo is cleaned.

The network alone, a session with no more than ONNX Runtime's defaults, computes one large tile of
several sizes; the fastest is the measure. Beside it, in turn, the program reads, cleans and writes
photos. Each run is a fresh process. Usage:

    python benchmarks/throughput.py [--model unet] [--weights FILE] [--megapixels 12 24] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from photo import make_photo
from PIL import Image

from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx.graphs import denoiser_graph
from denoise_cli.onnx.runtime import ort
from denoise_cli.photo.denoise_rows import plan_for
from denoise_cli.photo.runtimes.load import find_denoiser, load_photo_denoiser
from denoise_cli.weights.header import read_header
from denoise_cli.weights.tensors import read_tensors

T = TypeVar("T")
SIDES = (1024, 1440, 2048)


def main() -> None:
    """Print medians, and each photo's share of the best tile's speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="unet", help="bundled weights of this model")
    parser.add_argument("--weights", help="weight file instead")
    parser.add_argument("--megapixels", type=int, nargs="*", default=[12, 24])
    parser.add_argument("--sides", type=int, nargs="*", default=SIDES, help="of the tiles, in pixels")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    weights = find_denoiser(
        args.model if args.weights is None else None, batch_norm=True, weights=args.weights
    )
    tiles: dict[int, list[float]] = {side: [] for side in args.sides}
    photos: dict[int, list[tuple[float, float]]] = {size: [] for size in args.megapixels}
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: in_a_process(make_photo, Path(folder), size) for size in photos}
        for _ in range(args.repeats):
            for side, times in tiles.items():
                times.append(in_a_process(run_tile, weights, side))
                print(f"tile {side}: {times[-1]:.3f} s/MP", flush=True)
            for size, path in paths.items():
                photos[size].append(run_photo(path, weights))
                print(f"{size} MP: {photos[size][-1][0]:.3f} s/MP", flush=True)
        print(f"{in_a_process(measure_memory, weights, 1024):.0f} bytes a pixel at the peak of a window")
        best = min(statistics.median(times) for times in tiles.values())
        print(f"{read_header(weights).name}, the network alone on one tile: {best:.3f} s/MP")
        for size, path in paths.items():
            inside, whole = (statistics.median(column) for column in zip(*photos[size], strict=True))
            print(
                f"{size} MP photo, read to written: {inside:.3f} s/MP, {best / inside:.1%} of the tile's"
                f" speed ({best / whole:.1%} with the start of the program);"
                f" {halo_share(path, weights):.1%} of the pixels computed are halo"
            )


def in_a_process(function: Callable[..., T], *arguments: Any) -> T:
    """Call in a process of its own, so that its memory and threads are its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def run_tile(weights: Path, side: int) -> float:
    """Seconds per megapixel of the network alone, the median of three runs."""
    architecture = read_header(weights)
    graph = denoiser_graph(architecture.name, read_tensors(weights), architecture.batch_norm)
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feed = {"image": np.random.default_rng(0).random((1, 3, side, side), np.float32)}
    if DENOISERS[architecture.name].classifier is not None:
        feed["guidance"] = np.zeros((1, 32, side // 8, side // 8), np.float32)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]) / (side * side / 1e6)


def measure_memory(weights: Path, side: int) -> float:
    """Peak bytes per pixel of a window, its pixels before and after included."""
    runtime = load_photo_denoiser(weights=weights, runtime="onnx").runtime
    guided = DENOISERS[read_header(weights).name].classifier is not None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    window = np.random.default_rng(0).random((1, 3, side, side), np.float32)
    guidance = np.zeros((1, 32, side // 8, side // 8), np.float32) if guided else None
    for _ in range(4):
        runtime.run(window, guidance)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / side**2


def run_photo(path: Path, weights: Path) -> tuple[float, float]:
    """Seconds per megapixel from opening the photo to closing the result, and of the whole process."""
    command = [sys.executable, "-m", "denoise_cli", "denoise-image", str(path), "--overwrite", "--json"]
    command += ["--weights", str(weights), "--runtime", "onnx", "--device", "cpu"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - start
    row = json.loads(done.stdout)
    megapixels = row["width"] * row["height"] / 1e6
    return row["seconds"] / megapixels, whole / megapixels


def halo_share(path: Path, weights: Path) -> float:
    """Share of the computed pixels that are thrown away."""
    with Image.open(path) as image:
        width, height = image.size
    plan = plan_for(load_photo_denoiser(weights=weights, runtime="onnx"), height, width, "auto")
    area = plan.rows[0].stop * plan.columns[0].stop * len(plan.rows) * len(plan.columns)
    return 1 - width * height / area


if __name__ == "__main__":
    main()
