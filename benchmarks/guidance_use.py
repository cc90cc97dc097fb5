"""What a trained guided network makes of its guidance: tell it something else, and score again.

Each guided weight file is scored on labelled test images as it is (`predicted`: its classifier's
logits), told nothing (`zero`), the true class (`oracle`) and another picture's logits
(`shuffled`). Nothing is trained: this shows how much a network relies on what it is told, where
`denoise compare --guidance` shows what guidance is worth to networks trained with each kind.

    python benchmarks/guidance_use.py --data stl10 [--noise basic intense] [--weights FILE ...]

Prints Markdown: mean PSNR, and the paired difference to `predicted` with its 95 % interval over images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from denoise_cli.data.load import load_dataset
from denoise_cli.data.source import Images
from denoise_cli.evaluation.scores.classification import classify_images
from denoise_cli.evaluation.scores.guidance_logits import guidance_logits
from denoise_cli.evaluation.scores.intervals import estimate_mean
from denoise_cli.evaluation.scores.scoring import score
from denoise_cli.models.guidance import GuidanceSource
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.noise.spec import parse_noise
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.store import list_bundled

TOLD: tuple[GuidanceSource, ...] = ("predicted", "zero", "oracle", "shuffled")


def main() -> None:
    """Print a table per noise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="data set or folder with labels")
    parser.add_argument("--noise", nargs="*", default=["basic", "intense"])
    parser.add_argument("--weights", nargs="*", type=Path, help="guided weight files (default: the bundled)")
    parser.add_argument("--limit", type=int, help="score only so many images")
    args = parser.parse_args()
    paths = args.weights or [entry.path for entry in list_bundled() if entry.card.classes]
    source = load_dataset(args.data, "test", limit=args.limit)
    for noise in args.noise:
        print(f"\n{noise}, {len(source)} images: PSNR in dB, and the difference to `predicted`\n")
        print("| weights | accuracy | " + " | ".join(TOLD) + " |")
        print("|---" + "|---:" * (len(TOLD) + 1) + "|")
        for path in paths:
            print(table_row(path, source, noise), flush=True)


def table_row(path: Path, source: Images, noise: str) -> str:
    """One weight file under one noise, as a row of the table."""
    device, specs = torch.device("cpu"), parse_noise(noise)
    architecture, model = load_weights(path)
    if not isinstance(model, GuidedUNet):
        raise SystemExit(f"{path} is not guided")
    right = classify_images(
        model.classifier, source.with_classes(architecture.classes), specs, device=device
    ).correct
    cells, psnr = [], {}
    for told in TOLD:
        model.source = told
        logits = guidance_logits(model, architecture.classes, source, specs, device=device)
        psnr[told] = score(model, source, specs, device=device, logits=logits).psnr
        found = estimate_mean((psnr[told] - psnr["predicted"]).numpy())
        gain = "" if told == "predicted" else f": {found.mean:+.4f}"
        gain += " ({:+.4f} to {:+.4f})".format(*found.interval) if gain and found.interval else ""
        cells.append(f"{float(psnr[told].mean()):.3f}{gain}")
    return f"| `{path.stem}` | {100 * float(right.double().mean()):.1f} % | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
