"""Kill a batch of photos and a training run at random moments, and look at what is left.

SIGKILL, SIGTERM and SIGINT in turn. After each, every result must be whole and that of an undisturbed
run, every photo as it was; a run goes on from where it was and ends, in the end, with the weights of an
undisturbed one, bit for bit. At the end nothing may lie about:

    python benchmarks/kills.py --count 100
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PHOTOS = 12


def start(folder: Path, *args: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "denoise_cli", *map(str, args)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def run(folder: Path, *args: str | Path) -> float:
    """Run to the end; seconds."""
    begun = time.monotonic()
    process = start(folder, *args)
    said = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"{args} ended with {process.returncode}: {said.decode()}")
    return time.monotonic() - begun


def killed(process: subprocess.Popen[bytes], after: float, number: int) -> tuple[int, bytes]:
    """Send a signal after some seconds; how the process ended, and what it said."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    return process.returncode, said


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def kill_batches(folder: Path, count: int, chance: random.Random) -> Counter[str]:
    photos, wanted = folder / "photos", folder / "wanted"
    photos.mkdir()
    rng = np.random.default_rng(0)
    pictures = (skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea())
    for number in range(PHOTOS):
        noisy = pictures[number % 3].astype(float) + rng.normal(0, 12, pictures[number % 3].shape)
        ending = ("jpg", "png", "tif", "webp")[number % 4]
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(photos / f"{number:02}.{ending}")
    before = contents(photos)
    seconds = run(folder, "denoise-image", photos, "-o", wanted)
    expected = contents(wanted)
    seen: Counter[str] = Counter()
    out = folder / "out"
    for number in range(count):
        if number % 2 == 0:  # Every other one goes on where the last one was killed.
            shutil.rmtree(out, ignore_errors=True)
        there = set(contents(out)) if out.is_dir() else set()
        process = start(folder, "denoise-image", photos, "-o", out, "--skip-existing")
        code, said = killed(process, chance.uniform(0, seconds), SIGNALS[number % 3])
        found = contents(out) if out.is_dir() else {}
        hidden = {name for name in found if name.startswith(".denoise-")}
        wrong = [name for name, data in found.items() if name not in hidden and expected[name] != data]
        if wrong or contents(photos) != before or b"Traceback" in said:
            seen[f"WRONG {wrong} {said.decode()[-200:]}"] += 1
        if hidden - there and SIGNALS[number % 3] != signal.SIGKILL:
            seen["stray file after a signal that can be caught"] += 1
        seen[f"ended with {code}"] += 1
    run(folder, "denoise-image", photos, "-o", out, "--skip-existing")
    seen["all results right at the end" if contents(out) == expected else "WRONG at the end"] += 1
    return seen


def kill_runs(folder: Path, count: int, chance: random.Random) -> Counter[str]:
    images = folder / "images/train"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(24):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(images / f"{number}.png")
    shutil.copytree(images, folder / "images/test")
    keys = ("--batch-size", "4", "--device", "cpu", "--set", "save_seconds=0", "--set", "validate_every=2")
    recipe = ("train", "cae", "--dataset", "images", *keys, "--steps", str(100 * count))
    seconds = run(folder, *recipe, "--out", "wanted")
    seen: Counter[str] = Counter()
    begun = False
    for number in range(count):
        more: Sequence[str] = ("train", "--resume", "run") if begun else (*recipe, "--out", "run")
        process = start(folder, *more)
        # Mostly after what is imported, which no signal can harm.
        code, said = killed(process, chance.uniform(2, 6 + 2 * seconds / count), SIGNALS[number % 3])
        begun = (folder / "run/config.yaml").is_file()
        if b"Traceback" in said:
            seen[f"WRONG {said.decode()[-200:]}"] += 1
        seen[f"ended with {code}"] += 1
    run(folder, *(("train", "--resume", "run") if begun else (*recipe, "--out", "run")))
    same = all(
        (folder / "run" / name).read_bytes() == (folder / "wanted" / name).read_bytes()
        for name in ("last.safetensors", "best.safetensors")
    )
    names = [{path.name for path in (folder / name).rglob("*")} for name in ("run", "wanted")]
    seen["weights of the undisturbed run" if same else "WRONG weights"] += 1
    seen["no stray file" if names[0] == names[1] else f"STRAY {names[0] ^ names[1]}"] += 1
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100, help="kills of each kind (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    arguments = parser.parse_args()
    # A shell that starts this in the background ignores Ctrl-C for it, and for what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for kill in (kill_batches, kill_runs):
        with tempfile.TemporaryDirectory() as scratch:
            seen = kill(Path(scratch), arguments.count, random.Random(arguments.seed))
        print(f"{kill.__name__}: " + "; ".join(f"{what}: {number}" for what, number in sorted(seen.items())))


if __name__ == "__main__":
    main()
