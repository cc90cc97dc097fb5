"""Read mutated weights, configs, results, logs, cards, noises and training states.

Each must be read or refused with a message of ours, soon and in little memory. Each file is read in a
process of its own, which is killed after 20 s. What goes wrong is kept:

    python benchmarks/fuzz_files.py --count 3000 --keep /tmp/fuzz
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from denoise_cli.config import (
    ClassifyConfig,
    CompareConfig,
    DenoiseConfig,
    Section,
    TestConfig,
    TrainConfig,
    load_config,
)
from denoise_cli.errors import DenoiseError
from denoise_cli.evaluation.comparison.results import read_results
from denoise_cli.evaluation.comparison.run import run_comparison
from denoise_cli.experiments import _silent
from denoise_cli.noise.like.model import read_noise
from denoise_cli.noise.like.photos import measured_yaml
from denoise_cli.photo.denoise_array import denoise
from denoise_cli.photo.runtimes.load import load_photo_denoiser
from denoise_cli.runs import list_runs
from denoise_cli.training.checkpoint import load_checkpoint
from denoise_cli.training.run import SilentReporter, train
from denoise_cli.weights.card import read_card
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.store import list_bundled

SECONDS = 20
MEMORY = 1_200_000_000
READ, REFUSED, FAILED = 0, 1, 2
# What stands in place of a value of a text.
VALUES = (
    *("null", "true", "off", "-1", "0", "1e999", "-1e-999", ".nan", "NaN", "Infinity", "9" * 400, "0x1F"),
    *('""', '"x"', "[]", "{}", "[[[[]]]]", '{"a": 1}', "2026-13-45", "&a [*a]", '"\\u0000"', '"../../x"'),
    *('"[red]x"', '"$x$"', '"\\u202e"', "1_000", "1:30", "!!python/object:os.system x", "~"),
)
Reader = Callable[[Path], object]


def readers() -> dict[str, Reader]:
    """What reads each kind of file as a command does."""
    picture = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)

    def weights(path: Path) -> None:
        denoise(picture, load_photo_denoiser(weights=path, runtime="onnx"))
        load_weights(path)

    configs: dict[str, type[Section]] = {
        "train": TrainConfig,
        "classify": ClassifyConfig,
        "compare": CompareConfig,
        "test": TestConfig,
        "denoise-image": DenoiseConfig,
    }

    def config(path: Path) -> None:
        kind = next(kind for name, kind in configs.items() if path.stem.startswith(name))
        load_config(kind, str(path), [], {})

    def log(path: Path) -> None:
        (path.parent / "run").mkdir(exist_ok=True)
        (path.parent / "run/config.yaml").touch()
        shutil.copy(path, path.parent / "run/metrics.jsonl")
        list_runs(path.parent)

    def state(path: Path) -> None:
        (path.parent / "states").mkdir(exist_ok=True)
        shutil.copy(path, path.parent / "states/step-00000001.pt")
        load_checkpoint(path.parent / "states")

    return {
        "weights": weights,
        "config": config,
        "results": read_results,
        "log": log,
        "card": read_card,
        "noise": read_noise,
        "state": state,
    }


def samples(folder: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Sound files of each kind: name and content, made by the program."""
    rng = np.random.default_rng(0)
    for number in range(4):
        path = folder / "images" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    run = folder / "made"
    values = {"model": "cae", "data.dataset": str(folder / "images"), "out": str(run), "steps": 2}
    train(load_config(TrainConfig, None, [], values | {"batch_size": 2, "device": "cpu"}), SilentReporter())
    wanted = {"networks": [str(run), "cae-bn"], "data.dataset": str(folder / "images")}
    results = run_comparison(load_config(CompareConfig, None, [], wanted | {"device": "cpu"}), _silent)
    assert results is not None
    stored = results.model_dump_json().encode()
    root = Path(__file__).parents[1] / "configs"
    configs = [(f"train-{path.stem}.yaml", path.read_bytes()) for path in root.glob("weights/*unet.yaml")]
    configs += [(path.name, path.read_bytes()) for path in root.glob("*.yaml")]
    soft = np.add.outer(np.linspace(40, 200, 900), np.linspace(0, 40, 900))[..., None]
    photo = np.clip(soft + rng.normal(0, 6, (900, 900, 3)), 0, 255).astype(np.uint8)
    (folder / "photos").mkdir()
    Image.fromarray(photo).save(folder / "photos/a.jpg", quality=95)
    noise = measured_yaml(f"like:{folder / 'photos'}").encode()
    state = next((run / "checkpoints").glob("*.pt"))
    return {
        "weights": [
            ("cae.safetensors", (run / "best.safetensors").read_bytes()),
            *((entry.path.name, entry.path.read_bytes()) for entry in list_bundled() if "cnn" in entry.name),
        ],
        "config": configs,
        "results": [("results.json", stored)],
        "log": [("metrics.jsonl", (run / "metrics.jsonl").read_bytes())],
        "card": [("card.json", (run / "card.json").read_bytes())],
        "noise": [("noise.yaml", noise)],
        "state": [("state.pt", state.read_bytes())],
    }


def mutated(data: bytes, text: bool, chance: random.Random) -> bytes:
    """A few changes; of a weight file most of them in its header."""
    for _ in range(chance.randint(1, 3)):
        data = _changed_text(data, chance) if text and chance.random() < 0.7 else _changed(data, chance)
    return data


def _changed_text(data: bytes, chance: random.Random) -> bytes:
    """Another value or key, or lines that are missing, doubled or moved."""
    lines = data.decode("utf-8", "surrogateescape").splitlines(keepends=True) or [""]
    place = chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, chance.choice(lines))
        case 2:
            lines[place] = "  " + lines[place]
        case _:
            found = list(re.finditer(r'-?\d[\d.e+-]*|"[^"]*"|\w+', lines[place]))
            if found:
                old = chance.choice(found)
                new = chance.choice(VALUES)
                lines[place] = lines[place][: old.start()] + new + lines[place][old.end() :]
    return "".join(lines).encode("utf-8", "surrogateescape")


def _changed(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    last = min(len(changed), chance.choice((16, 2000, len(changed)))) - 1
    place = chance.randint(0, max(last, 0))
    match chance.randrange(5):
        case 0:
            del changed[place:]
        case 1:
            changed[place : place + 1] = bytes([chance.randrange(256)])
        case 2:
            del changed[place : place + chance.randint(1, 64)]
        case 3:
            changed[place:place] = changed[place : place + chance.randint(1, 64)]
        case 4:
            # Numbers that are not finite, or a header's length.
            changed[place : place + 8] = chance.choice((b"\xff" * 8, b"\0" * 8, b"\x00\x7c" * 4))
    return bytes(changed)


def read_in_process(reader: Reader, path: Path) -> tuple[str, int, float]:
    """How a process ends that reads the file; its bytes of memory beyond the parent's, and seconds."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    process = os.fork()
    if process == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(SECONDS)
        try:
            reader(path)
            status = READ
        except DenoiseError as error:
            status = REFUSED if str(error).strip() else FAILED
        except BaseException:
            traceback.print_exc()
            status = FAILED
        sys.stderr.flush()
        os._exit(status)
    _, status, usage = os.wait4(process, 0)
    if os.WIFSIGNALED(status):
        what = f"signal {os.WTERMSIG(status)}"
    else:
        what = ("read", "refused", "error")[os.waitstatus_to_exitcode(status)]
    memory = max(0, usage.ru_maxrss - before) * 1024
    return "memory" if memory > MEMORY else what, memory, time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=3000, help="files in all (default 3000)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default 0)")
    parser.add_argument("--keep", type=Path, help="folder for files with which something goes wrong")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    seen: Counter[tuple[str, str]] = Counter()
    slowest = largest = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        known, reading = samples(folder), readers()
        kinds = list(known)
        for number in range(arguments.count):
            chance = random.Random(arguments.seed * 1_000_003 + number)
            kind = kinds[number % len(kinds)]
            name, data = chance.choice(known[kind])
            path = folder / "tried" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(mutated(data, kind not in {"weights", "state"}, chance))
            what, memory, seconds = read_in_process(reading[kind], path)
            slowest, largest = max(slowest, seconds), max(largest, memory)
            seen[kind, what] += 1
            if what not in {"read", "refused"} and arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, arguments.keep / f"{number}-{what.replace(' ', '')}-{name}")
    for (kind, what), count in sorted(seen.items()):
        print(f"{kind:8} {what:10} {count:6}")
    print(json.dumps({"slowest_s": round(slowest, 1), "most_mb": round(largest / 1e6)}))


if __name__ == "__main__":
    main()
