"""Train, score, pack and describe the bundled weights. One command makes or continues a set:

    python scripts/make_weights.py unet --data data
    python scripts/make_weights.py all --data data --runs runs/weights

`data` is a folder that holds the folders named in configs/weights/*.yaml; any photographs will
do. Training continues where it was killed; finished runs are not trained again. `--steps N`
makes a short trial. Works on a CPU or a GPU.

A stage that ends in `-nobn` takes the bundled file with batch norm, folds the batch norm into the
convolutions and trains on. `--train-on` takes the bundled file of the stage itself and trains it on for
few steps, its batch statistics as they are; `--set init=NAME` trains any bundled file further.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from datetime import date
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import torch
import yaml
from eight_bits import find_steps, noisy_crops

from denoise_cli.cli.console import TrainingDisplay, console
from denoise_cli.config import ClassifyConfig, TrainConfig, load_config
from denoise_cli.data.load import load_dataset
from denoise_cli.devices import resolve_device
from denoise_cli.evaluation.scores.classification import classify_images
from denoise_cli.evaluation.scores.scoring import score
from denoise_cli.files import sha256, write_atomic
from denoise_cli.models import count_parameters, denoiser_info
from denoise_cli.models.photo_unet.network import PhotoUNet
from denoise_cli.noise.spec import parse_noise
from denoise_cli.runs import RunFolder
from denoise_cli.training.card import describe_training, training_device
from denoise_cli.training.run import train
from denoise_cli.weights.card import Card
from denoise_cli.weights.files import load_classifier, load_weights, read_state, save_weights
from denoise_cli.weights.store import bundled_name, find_weights, list_bundled
from denoise_cli.weights.test_sets import TEST_SETS

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT / "denoise_cli" / "weights" / "bundled"
RECIPES = ROOT / "configs" / "weights"
WITHOUT_BATCH_NORM = "-nobn"
# What differs where a file without batch norm is trained on from the folded one.
CONTINUED: dict[str, Any] = {"batch_norm": False, "steps": 300, "batch_size": 32, "optim.lr": 3e-4}
# What differs where a bundled file is trained on: new noise is learnt in few steps, if no step is large
# enough to lose what was known, and if the batch statistics stay those of all noises.
TRAINED_ON: dict[str, Any] = {
    "steps": 200,
    "batch_size": 32,
    "optim.lr": 3e-4,
    "optim.warmup": 20,
    "optim.ema": 0.98,
}

# Float16 on disk may cost at most this much (dB).
MOST_LOST = 0.01
# A clean picture that comes back with this PSNR (dB) has lost nothing that is seen.
UNHARMED = 40.0
TERMS = {
    "stl10-train-64px": "official STL-10 training images at 64x64; derived from ImageNet, research use",
    "photos": "everyday photographs at half size; derived from ImageNet, research use",
    "real-pairs": "noisy shots and the means of many, PolyU data set; non-commercial use",
    "bsds432": "the BSDS500 images that are not in CBSD68; non-commercial research and education",
}
LICENCE = (
    "The weights are published under the MIT licence of the program, as far as its authors' rights "
    "go; the training images are for research use, see `data`."
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=[*stages(), "all"])
    parser.add_argument("--data", type=Path, required=True, help="folder with the training images")
    parser.add_argument("--runs", type=Path, default=Path("runs/weights"), help="folder for the runs")
    parser.add_argument("--bundle", type=Path, default=BUNDLED, help="where weights and cards go")
    parser.add_argument("--steps", type=int, help="train only so many steps (a trial)")
    parser.add_argument("--limit", type=int, help="score only so many images (a trial)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe")
    parser.add_argument("--train-on", action="store_true", help="start from the stage's bundled file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--card-only", action="store_true", help="score and pack a run that is there")
    parser.add_argument("--commit", help="the commit that trained the run, where it is not the present one")
    parser.add_argument("--note", default="", help="a remark for the card")
    parser.add_argument(
        "--average",
        type=float,
        nargs="?",
        const=0.5,
        metavar="SHARE",
        help="pack so much of the run's weights (default 0.5) with the rest of the bundled ones",
    )
    arguments = parser.parse_args()
    for stage in stages() if arguments.stage == "all" else (arguments.stage,):
        config = configure(stage, arguments)
        keep_history(config)
        run = RunFolder(config.folder)
        if not arguments.card_only and not run.is_finished:
            fit(config)
        if isinstance(config, TrainConfig):
            # As it was trained, whatever this call said, but with this machine's folders and device:
            # a run may have been trained on another one.
            here = config.model_dump(mode="json", include={"out", "data", "device"})
            pack(load_config(TrainConfig, str(run.config), [], here), arguments)


def stages() -> list[str]:
    """The recipes, each after those whose runs it starts from; then the models without batch norm."""
    recipes = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(RECIPES.glob("*.yaml"))}
    needs = {
        stage: [name for key in ("init", "classifier") if (name := Path(text.get(key, "")).name) in recipes]
        for stage, text in recipes.items()
    }
    order = list(TopologicalSorter(needs).static_order())
    return order + [f"{stage}{WITHOUT_BATCH_NORM}" for stage in order if _has_batch_norm(stage, recipes)]


def _has_batch_norm(stage: str, recipes: dict[str, dict[str, Any]]) -> bool:
    """Whether a stage makes a denoiser that there is with and without batch norm."""
    return not stage.startswith("classifier") and denoiser_info(recipes[stage]["model"]).batch_norm


def configure(stage: str, arguments: argparse.Namespace) -> TrainConfig | ClassifyConfig:
    """The shipped config of a stage with this machine's folders."""
    name = stage.removesuffix(WITHOUT_BATCH_NORM)
    text = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    data = text["data"]
    for item in data.get("mix", []):
        item["dataset"] = str(arguments.data / Path(item["dataset"]).name)
    if "dataset" in data:
        data["dataset"] = str(arguments.data / Path(data["dataset"]).name)
    for key in ("init", "classifier"):
        if key in text:
            text[key] = str(arguments.runs / Path(text[key]).name)
    if name != stage:
        text.pop("classifier", None)
        text |= CONTINUED | {"init": bundled_name(text["model"], batch_norm=True)}
    if arguments.train_on:
        text.pop("classifier", None)
        text |= TRAINED_ON | {"init": bundled_name(text["model"], batch_norm=name == stage)}
        text["freeze_batch_norm"] = name == stage
    text |= {"out": str(arguments.runs / stage), "device": arguments.device}
    if arguments.steps:
        text["steps"] = arguments.steps
        text.pop("epochs", None)
    for key, _, value in (item.partition("=") for item in arguments.set):
        text[key] = yaml.safe_load(value)
    if stage.startswith("classifier"):
        return load_config(ClassifyConfig, None, [], text)
    return load_config(TrainConfig, None, [], text)


def fit(config: TrainConfig | ClassifyConfig) -> None:
    display = TrainingDisplay(console)
    try:
        train(config, display, resume=config.folder.exists())
    finally:
        display.close()


def keep_history(config: TrainConfig | ClassifyConfig) -> None:
    """Write down how the bundled weights that a run starts from were trained, before they are replaced."""
    history = history_file(config)
    for entry in list_bundled():
        if entry.name == config.init and not history.exists():
            history.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(history, entry.card.training.model_dump_json(exclude_unset=True).encode())


def history_file(config: TrainConfig | ClassifyConfig) -> Path:
    """Where a run keeps how its start was trained: beside its folder, which is not there yet."""
    return config.folder.with_suffix(".start.json")


def start_of(config: TrainConfig) -> dict[str, Any] | None:
    """How the weights were trained that a run started from."""
    history = history_file(config)
    found: dict[str, Any] | None = json.loads(history.read_text()) if history.is_file() else None
    return found


def pack(config: TrainConfig, arguments: argparse.Namespace) -> None:
    """Write the run's weights as float16 with a card of measured scores."""
    device = resolve_device(config.device)
    architecture, model = load_weights(find_weights(str(config.folder)))
    target = arguments.bundle / f"{bundled_name(config.model, config.batch_norm)}.safetensors"
    if arguments.average:
        average_with(model, BUNDLED / target.name, arguments.average)
    # Beside the run first: the bundle gets weights and card together, or neither.
    path = config.folder / "packed.safetensors"
    steps = find_steps(model, noisy_crops(arguments.data)) if isinstance(model, PhotoUNet) else None
    save_weights(path, model, architecture, half=True, steps=steps)
    packed = load_weights(path)[1].to(device)
    scores = measure(packed, arguments, device)
    check_half(model.to(device), scores, arguments, device)
    folded = config.folder.name.endswith(WITHOUT_BATCH_NORM)
    switch = " --no-batchnorm" if folded else ""
    card: dict[str, Any] = {
        "model": architecture.name,
        "batch_norm": architecture.batch_norm,
        "noise": architecture.noise,
        "parameters": count_parameters(model),
        "classes": list(architecture.classes),
        "sha256": sha256(path),
        "date": date.today().isoformat(),
        "data": describe_data(config),
        "training": describe_training(
            config, RunFolder(config.folder), version_of_program(arguments), start_of(config), arguments.note
        ),
        "scores": scores,
        "reproduce": [
            f"denoise test {architecture.name}{switch} --dataset DATA/stl10-part --noise basic",
            " ".join(
                ["python scripts/make_weights.py", config.folder.name, "--data DATA"]
                + ["--train-on"] * arguments.train_on
                + [f"--average {arguments.average}"] * bool(arguments.average)
                + [f"--steps {arguments.steps}"] * bool(arguments.steps)
                + [f"--set {value}" for value in arguments.set]
            ),
        ],
        "licence": LICENCE,
        "limits": limits(architecture.classes, scores, training_device(RunFolder(config.folder))),
    }
    if folded:
        start = bundled_name(config.model, batch_norm=True)
        card["limits"].append(f"Began as `{start}`, its batch norm folded into the convolutions.")
    if architecture.classes:
        card["guidance"] = {"source": architecture.guidance, "injection": architecture.injection}
        card["classifier"] = classifier_scores(path, arguments, device)
    write_atomic(target, path.read_bytes())
    write_atomic(target.with_suffix(".json"), Card.model_validate(card).to_json().encode())
    console.note(f"{target.name}: " + "  ".join(f"{s['set']} {s['noise']} {s['psnr']:.2f}" for s in scores))


def average_with(model: torch.nn.Module, start: Path, share: float) -> None:
    """Mix the weights with those that training started from (Wortsman et al. 2022); `share` of them stay."""
    before = read_state(start)[1]
    after = model.state_dict()
    model.load_state_dict({name: torch.lerp(before[name], value, share) for name, value in after.items()})


def measure(
    model: torch.nn.Module, arguments: argparse.Namespace, device: torch.device
) -> list[dict[str, Any]]:
    """One row per data set and noise; sets that are not there are left out."""
    rows = []
    for tested in TEST_SETS:
        dataset = "sample" if tested.folder is None else str(arguments.data / tested.folder)
        if tested.folder is not None and not Path(dataset).is_dir():
            continue
        source = load_dataset(dataset, "test", limit=arguments.limit)
        for noise in tested.noises:
            result = score(model, source, parse_noise(noise), device=device)
            rows.append(
                {
                    "set": tested.name,
                    "noise": noise,
                    "n": len(source),
                    "psnr": round(float(result.psnr.mean()), 3),
                    "ssim": round(float(result.ssim.mean()), 4),
                    "noisy_psnr": round(float(result.noisy_psnr.clamp(max=100).mean()), 3),
                }
            )
    return rows


def check_half(
    model: torch.nn.Module, scores: list[dict[str, Any]], arguments: argparse.Namespace, device: torch.device
) -> None:
    """Refuse to pack where float16 costs more than `MOST_LOST`."""
    source = load_dataset("sample", "test", limit=arguments.limit)
    full = float(score(model, source, parse_noise("basic"), device=device).psnr.mean())
    half = next(row["psnr"] for row in scores if (row["set"], row["noise"]) == ("sample", "basic"))
    if full - half > MOST_LOST:
        raise SystemExit(f"float16 costs {full - half:.3f} dB")


def classifier_scores(path: Path, arguments: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Accuracy of the classifier inside a guided model on stl10-part/test."""
    if not (arguments.data / "stl10-part").is_dir():
        return {}
    architecture, classifier = load_classifier(path)
    source = load_dataset(str(arguments.data / "stl10-part"), "test", limit=arguments.limit)
    source = source.with_classes(architecture.classes)
    accuracy = {}
    for noise in ("basic", "intense", "clean"):
        specs = () if noise == "clean" else parse_noise(noise)
        result = classify_images(classifier.to(device), source, specs, device=device)
        accuracy[noise] = round(float(result.correct.double().mean()), 4)
    return accuracy


def describe_data(config: TrainConfig) -> list[dict[str, Any]]:
    rows = []
    for item in config.data.mix:
        name = Path(item.dataset).name
        count = len(load_dataset(item.dataset, "train"))
        rows.append({"name": name, "images": count, "terms": TERMS.get(name, "unknown"), "crop": item.crop})
    return rows


def version_of_program(arguments: argparse.Namespace) -> str:
    """The commit that trained, or the present one."""
    head = ["git", "rev-parse", "--short", "HEAD"]
    return arguments.commit or subprocess.check_output(head, cwd=ROOT, text=True).strip()


def limits(classes: tuple[str, ...], scores: list[dict[str, Any]], trained_on: str) -> list[str]:
    found = ["No STL-10 test image was seen in training."]
    if trained_on.startswith("cpu"):
        found.append("Trained on a CPU for a short time; longer training on a GPU would score higher.")
    clean = [row["psnr"] for row in scores if row["noise"] == "gaussian:0"]
    if clean and clean[0] < UNHARMED:
        found.append(f"Made for strong noise: a clean picture loses detail (CBSD68: {clean[0]:.1f} dB).")
    if classes:
        found.append("The classifier was trained on nine of the ten STL-10 classes: it never saw a monkey.")
    return found


if __name__ == "__main__":
    main()
