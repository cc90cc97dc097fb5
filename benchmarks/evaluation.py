"""What scoring costs: PSNR and SSIM beside float32 inference, per megapixel.

    python benchmarks/evaluation.py [--images 512] [--models unet cnn]

The STL-10 test split is 8,000 images of 96x96, 74 megapixels; the time for it is extrapolated.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from denoise_cli.metrics import psnr, ssim
from denoise_cli.models import build_denoiser

BATCH = 64
STL10_TEST_MEGAPIXELS = 8000 * 96 * 96 / 1e6


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--models", nargs="+", default=["unet", "cnn"])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    batches = torch.rand(arguments.images // BATCH, BATCH, 3, 96, 96)
    megapixels = batches.numel() / 3e6
    models = {name: build_denoiser(name).eval() for name in arguments.models}
    times: dict[str, list[float]] = {name: [] for name in ("PSNR + SSIM", *models)}
    psnr(batches[0], batches[0]), ssim(batches[0], batches[0])
    noisy = batches.flip(0)
    for _ in range(arguments.rounds):
        for name, model in models.items():
            layout = [x.contiguous(memory_format=torch.channels_last) for x in batches]

            def run(model: nn.Module = model, layout: list[torch.Tensor] = layout) -> None:
                for x in layout:
                    model(x)

            times[name].append(seconds(run) / megapixels)
        metrics = seconds(lambda: [(psnr(x, y), ssim(x, y)) for x, y in zip(batches, noisy, strict=True)])
        times["PSNR + SSIM"].append(metrics / megapixels)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        share = (
            "" if name not in models else f"  metrics are {100 * medians['PSNR + SSIM'] / value:.1f} % of it"
        )
        total = value * STL10_TEST_MEGAPIXELS
        print(f"{name:12} {value:7.3f} s/megapixel  {total:7.1f} s for the STL-10 test split{share}")


if __name__ == "__main__":
    main()
