"""Time and peak memory of denoising one photo in a fresh process, beside other ways to do it.

Runs alternate, and each way is stated relative to the naive one (PyTorch eager, the whole image at
once) of the same size, because machines and their other work differ. Usage:

    python benchmarks/photo.py [--megapixels 1 12 100] [--model unet] [--weights FILE] [--repeats 3]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from denoise_cli.photo.runtimes.load import find_denoiser
from denoise_cli.weights.header import read_steps

NAIVE = """
import sys, numpy as np, torch
from PIL import Image
from denoise_cli.weights.files import load_weights
model = load_weights(__import__("pathlib").Path(sys.argv[3]))[1]
pixels = np.array(Image.open(sys.argv[1]).convert("RGB"))
x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
with torch.no_grad():
    y = model(x)
y = (y[0].permute(1, 2, 0) * 255).round().byte().numpy()
Image.fromarray(y).save(sys.argv[2])
"""
OPENCV_NLM = """
import sys, cv2
cv2.imwrite(sys.argv[2], cv2.fastNlMeansDenoisingColored(cv2.imread(sys.argv[1]), None, 20, 20))
"""
SKIMAGE_NLM = """
import sys, numpy as np
from PIL import Image
from skimage.restoration import denoise_nl_means
pixels = np.array(Image.open(sys.argv[1]).convert("RGB")) / 255
clean = denoise_nl_means(pixels, h=0.08, patch_size=5, patch_distance=6, fast_mode=True, channel_axis=-1)
Image.fromarray((clean * 255).round().astype(np.uint8)).save(sys.argv[2])
"""
# As an installed program runs, with its modules compiled.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
# The whole image at once needs about 1 GB per megapixel; nothing is learnt from a full memory.
NAIVE_MOST = 16


def main() -> None:
    """Print one line per size and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=int, nargs="*", default=[1, 12, 100])
    parser.add_argument("--model", help="bundled weights of this model (default: the best)")
    parser.add_argument("--weights", help="weight file instead")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of the ways to run")
    args = parser.parse_args()
    weights = find_denoiser(args.model, batch_norm=True, weights=args.weights)
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in args.megapixels:
            # A child starts with its parent's peak memory on its account, so the parent stays small.
            with ProcessPoolExecutor(1, get_context("spawn")) as maker:
                photo = maker.submit(make_photo, Path(folder), megapixels).result()
            ways = commands(photo, Path(folder) / f"out{photo.suffix}", weights, megapixels)
            report(
                megapixels, {n: c for n, c in ways.items() if not args.only or n in args.only}, args.repeats
            )


def make_photo(folder: Path, megapixels: int) -> Path:
    """A noisy photo of 4:3 (1 megapixel: 1024 x 1024 PNG; else JPEG)."""
    height, width = (
        (1024, 1024) if megapixels == 1 else [round((megapixels * 1e6 / 12) ** 0.5) * n for n in (3, 4)]
    )
    picture = skimage.data.astronaut()
    generator = np.random.default_rng(0)
    strips = []
    for top in range(0, height, 512):
        strip = np.tile(picture, (1, -(-width // 512), 1))[: min(512, height - top), :width]
        noise = generator.standard_normal(strip.shape, np.float32) * 25
        strips.append((strip + noise).clip(0, 255).astype(np.uint8))
    path = folder / f"photo{megapixels}{'.png' if megapixels == 1 else '.jpg'}"
    Image.MAX_IMAGE_PIXELS = None
    Image.fromarray(np.concatenate(strips)).save(path, quality=92)
    return path


def commands(photo: Path, output: Path, weights: Path, megapixels: int) -> dict[str, list[str]]:
    """The ways by name."""
    ours = [
        sys.executable,
        "-m",
        "denoise_cli",
        "denoise-image",
        str(photo),
        "-o",
        str(output),
        "--overwrite",
    ]
    ours += ["--weights", str(weights), "--device", "cpu"]
    script = [sys.executable, "-c"]
    files = [str(photo), str(output)]
    ways = {}
    if megapixels <= NAIVE_MOST:
        ways["naive"] = [*script, NAIVE, *files, str(weights)]
    ways["onnx"] = [*ours, "--runtime", "onnx"]
    if read_steps(weights):
        ways["int8"] = [*ours, "--runtime", "int8"]
    if importlib.util.find_spec("openvino"):
        ways["openvino"] = [*ours, "--runtime", "openvino"]
    if megapixels <= NAIVE_MOST:
        ways["torch"] = [*ours, "--runtime", "torch"]
        ways["skimage-nlm"] = [*script, SKIMAGE_NLM, *files]
        if importlib.util.find_spec("cv2"):
            ways["opencv-nlm"] = [*script, OPENCV_NLM, *files]
    return ways


def report(megapixels: int, ways: dict[str, list[str]], repeats: int) -> None:
    """Run the ways in turn and print medians."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, command in ways.items():
            results[name].append(measure(command))
    medians = {
        n: [statistics.median(column) for column in zip(*rows, strict=True)] for n, rows in results.items()
    }
    base = medians.get("naive")
    for name, (seconds, megabytes) in medians.items():
        line = f"{megapixels:4} MP  {name:12} {seconds:8.2f} s  {megabytes:7.0f} MB"
        if base is not None:
            line += f"   time x {seconds / base[0]:.2f}, memory x {megabytes / base[1]:.2f}"
        print(line, flush=True)


def measure(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=_ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        assert process.stderr is not None
        raise SystemExit(f"{' '.join(command[:6])} failed: {process.stderr.read().decode()[-500:]}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    main()
