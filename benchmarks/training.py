"""Training speed: this engine against the plain loop of the study, in one run.

    python benchmarks/training.py --data FOLDER [--models unet cae cnn] [--batches 12] [--device cuda]
    python benchmarks/training.py --data FOLDER --models cae --epochs 10 --seeds 3

The plain loop is written from the study's description: a DataLoader in the main process over
uint8 arrays in memory, PIL and ToTensor image by image, NCHW float32, Adam, MSE, and
`loss.item()` after each step. Ours is the trainer's own step. The two alternate, and the
medians of their rounds are compared. `--epochs N` instead runs the study's whole recipe by each
loop, scores the test images after every epoch, and says when each reached the PSNR that all reach.
At a constant learning rate the score jumps from epoch to epoch, so `--seeds K` averages K runs.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from denoise_cli.config import TrainConfig
from denoise_cli.devices import resolve_device
from denoise_cli.distributed import SINGLE_PROCESS
from denoise_cli.evaluation.scores.scoring import score
from denoise_cli.models import build_denoiser
from denoise_cli.noise.spec import parse_noise
from denoise_cli.runs import RunFolder
from denoise_cli.training.build import build_model
from denoise_cli.training.data import Data, load_data
from denoise_cli.training.run import SilentReporter
from denoise_cli.training.trainer import Trainer

Step = Callable[[], None]
# Epochs at the end of a run whose scores are averaged.
LATE = 3


class PlainImages(Dataset[Tensor]):
    """uint8 arrays through PIL and ToTensor, one image at a time."""

    def __init__(self, images: list[np.ndarray]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        picture = Image.fromarray(self._images[index])
        # What torchvision's ToTensor does.
        return torch.from_numpy(np.array(picture, copy=True)).permute(2, 0, 1).contiguous().float().div(255)


class PlainLoop:
    """The study's loop."""

    def __init__(self, model: str, data: Data, batch_size: int, device: torch.device, seed: int = 0) -> None:
        torch.manual_seed(seed)
        source = data.streams[0].source
        images = [source.image(i).permute(1, 2, 0).contiguous().numpy() for i in range(len(source))]
        self._loader = DataLoader(PlainImages(images), batch_size, shuffle=True, num_workers=0)
        self._batches = iter(self._loader)
        self._device = device
        self.model = build_denoiser(model).to(device).train()
        self._optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def step(self) -> None:
        try:
            clean = next(self._batches)
        except StopIteration:
            self._batches = iter(self._loader)
            clean = next(self._batches)
        clean = clean.to(self._device)
        noisy = (clean + 0.2 * torch.randn_like(clean)).clamp(0, 1)
        self._optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(noisy), clean)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        loss.item()


class OurLoop:
    """The trainer's step, without its logging."""

    def __init__(
        self, config: TrainConfig, data: Data, device: torch.device, model: nn.Module | None = None
    ) -> None:
        architecture, own = build_model(config, data)
        self._trainer = Trainer(
            config,
            RunFolder(Path("unused")),
            data,
            architecture,
            model or own,
            device,
            SINGLE_PROCESS,
            SilentReporter(),
        )
        self._trainer.model.train()
        self.model = self._trainer.model

    def step(self) -> None:
        self._trainer._train_step()
        self._trainer.step += 1


def rate(step: Step, batches: int, batch_size: int, device: torch.device) -> float:
    """Images per second of so many steps."""
    wait(device)
    start = time.perf_counter()
    for _ in range(batches):
        step()
    wait(device)
    return batches * batch_size / (time.perf_counter() - start)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


@dataclass(frozen=True, slots=True)
class Point:
    """Where a loop stood after an epoch."""

    seconds: float
    psnr: float


def follow(
    name: str, loop: PlainLoop | OurLoop, data: Data, epochs: int, batch_size: int, device: torch.device
) -> list[Point]:
    """Train so many epochs; only training is timed. PSNR is the mean over the test images."""
    points: list[Point] = []
    seconds = 0.0
    done = 0
    for epoch in range(1, epochs + 1):
        steps = math.ceil(epoch * data.images / batch_size) - done
        loop.model.train()
        start = time.perf_counter()
        for _ in range(steps):
            loop.step()
        wait(device)
        seconds += time.perf_counter() - start
        done += steps
        result = score(loop.model, data.validation, parse_noise("basic"), device=device)
        points.append(Point(seconds, float(result.psnr.mean())))
        print(f"  {name:6} epoch {epoch:3}  {seconds:7.1f} s  {points[-1].psnr:7.3f} dB", flush=True)
    return points


def build_loops(
    model: str, data: Data, arguments: argparse.Namespace, device: torch.device, seed: int = 0
) -> dict[str, PlainLoop | OurLoop]:
    loops: dict[str, PlainLoop | OurLoop] = {
        "plain": PlainLoop(model, data, arguments.batch_size, device, seed)
    }
    for precision in arguments.precision:
        loops[precision] = OurLoop(recipe(model, precision, arguments, seed), data, device)
    return loops


def follow_all(
    model: str, data: Data, arguments: argparse.Namespace, device: torch.device
) -> dict[str, list[list[Point]]]:
    """The curves of every loop, one per seed."""
    curves: dict[str, list[list[Point]]] = {}
    for seed in range(arguments.seeds):
        for name, loop in build_loops(model, data, arguments, device, seed).items():
            curve = follow(name, loop, data, arguments.epochs, arguments.batch_size, device)
            curves.setdefault(name, []).append(curve)
    return curves


def report(model: str, curves: dict[str, list[list[Point]]]) -> None:
    """Final scores over the seeds, and how long each loop took to the best PSNR that all of them reach."""
    goal = min(max(point.psnr for point in points) for seeds in curves.values() for points in seeds)
    for name, seeds in curves.items():
        last = [points[-1].psnr for points in seeds]
        late = statistics.mean(point.psnr for points in seeds for point in points[-LATE:])
        seconds = statistics.mean(next(p.seconds for p in points if p.psnr >= goal) for points in seeds)
        each = " ".join(f"{value:.3f}" for value in last)
        print(
            f"{model:8} {name:6} {statistics.mean(last):7.3f} dB at the end ({each}), {late:.3f} dB over the "
            f"last {LATE} epochs, {goal:.3f} dB after {seconds:.1f} s",
            flush=True,
        )


def recipe(model: str, precision: str, arguments: argparse.Namespace, seed: int = 0) -> TrainConfig:
    """The study's recipe (the defaults), long enough for every use here."""
    return TrainConfig.model_validate(
        {
            "model": model,
            "data": {"dataset": arguments.data, "flip": False, "validation_limit": 10_000},
            "batch_size": arguments.batch_size,
            "precision": precision,
            "steps": 100_000,
            "compile": "off",
            "seed": seed,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="sample")
    parser.add_argument("--models", nargs="+", default=["unet", "cae", "cnn"])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="*", default=["auto", "fp32"])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    for model in arguments.models:
        data = load_data(recipe(model, "fp32", arguments))
        if arguments.epochs:
            report(model, follow_all(model, data, arguments, device))
            continue
        loops = build_loops(model, data, arguments, device)
        rates: dict[str, list[float]] = {name: [] for name in loops}
        for loop in loops.values():
            rate(loop.step, 2, arguments.batch_size, device)
        for _ in range(arguments.rounds):
            for name, loop in loops.items():
                rates[name].append(rate(loop.step, arguments.batches, arguments.batch_size, device))
        plain = statistics.median(rates["plain"])
        for name, values in rates.items():
            median = statistics.median(values)
            print(f"{model:8} {name:6} {median:8.1f} images/s  {median / plain:5.2f} x", flush=True)


if __name__ == "__main__":
    main()
