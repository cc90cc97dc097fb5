"""Run every command of README.md and docs/ in a folder with the files that the pages speak of.

    python scripts/run_docs.py                # all pages, about ten minutes on two cores
    python scripts/run_docs.py photos study   # some

The pictures are crops of scikit-image's photographs, and what would take hours is cut as `CUTS` says: two
steps of training, one seed, the folder `./stl10` instead of a download. What cannot be run here is
named, with the reason. Exits with 1 where a command fails.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"```(?:bash|console)\n(.*?)```", re.DOTALL)
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
# Replaced in every command.
CUTS = (
    (r"--(steps|epochs|seeds) \S+", ""),
    (r"^(.*\bdenoise(?:_cli)? (?:train(?! --resume)|classify (?!--image)).*)$", r"\1 --steps 2 --overwrite"),
    (r"^(denoise compare .*--train\b.*)$", r"\1 --steps 2"),
    (r"^(denoise (?:denoise-image (?!.*--skip)|compare .*-o ).*?)( --overwrite)?$", r"\1 --overwrite"),
    (r"(--dataset|--models \S+ --dataset) stl10(?=\s|$)", r"\1 ./stl10"),
    (r"--nproc-per-node 4", "--nproc-per-node 2"),
    (r" -o docs/", " -o made/"),
    (r"drunet_color\.pth ", ""),
)
# Not run here, and why.
LEFT_OUT = {
    r"\btiny\b": "run by tests/models/test_plugins.py, which installs the page's package",
    r"^docker|docker run": "needs Docker",
    r"--nnodes": "needs two machines",
    r"^denoise serve": "runs until it is stopped; tests/serve run it",
    r"^pip|pre-commit": "sets up an environment, as .ci/run does",
    r"^python (benchmarks|scripts)/|^pytest|ruff": "a tool of the repository, not the program",
    r"^(git|cd|sbatch|kubectl|conda|uv|pipx|brew|apt)\b": "another program",
}
LIMIT_S = 600

Picture = NDArray[np.uint8]


def main(names: list[str]) -> int:
    """Run the commands of the pages of these names, or of all."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        furnish(Path(scratch) / "files")
        for page in PAGES:
            if names and page.stem not in names:
                continue
            # What one page writes is not there for the next.
            folder = shutil.copytree(Path(scratch) / "files", Path(scratch) / page.stem)
            for command in commands(page.read_text(encoding="utf-8")):
                failed += not run(page, command, folder)
    print(f"{failed} failed")
    return 1 if failed else 0


def commands(text: str) -> Iterator[str]:
    """The commands of a page's blocks, in order, without their comments and output."""
    for block in BLOCK.findall(text):
        prompts = "\n$ " in f"\n{block}"
        for line in block.replace("\\\n", "").splitlines():
            if prompts and not line.startswith("$ "):
                continue
            if command := re.sub(r"\s+# .*|^#.*", "", line.removeprefix("$ ")).strip():
                yield command


def run(page: Path, command: str, folder: Path) -> bool:
    """Run one command with its cuts; say how it went."""
    for pattern, reason in LEFT_OUT.items():
        if re.search(pattern, command):
            print(f"{page.name}: left out ({reason}): {command}")
            return True
    for pattern, cut in CUTS:
        command = re.sub(pattern, cut, command)
    command = command.replace("torchrun", f"{sys.executable} -m torch.distributed.run")
    shown = f"{page.name}: {command}"
    command = re.sub(r"^denoise\b", f"{shlex.quote(sys.executable)} -m denoise_cli", command)
    start = time.perf_counter()
    try:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        code, output = done.returncode, done.stderr
    except subprocess.TimeoutExpired:
        code, output = 124, f"more than {LIMIT_S} s"
    print(f"{'ok' if code == 0 else f'FAILED ({code})'} in {time.perf_counter() - start:.0f} s: {shown}")
    if code:
        print(output[-2000:])
    return code == 0


def furnish(folder: Path) -> None:
    """Make the files that the pages name."""
    photo = skimage.data.astronaut()
    save(folder / "photo.jpg", photo)
    save(folder / "scan.tif", skimage.data.coffee())
    for index, crop in enumerate(crops(160, 4)):
        for name in ("photos", "CBSD68", "data/photos", "data/bsds432"):
            save(folder / name / f"{index}.png", crop)
        for name in ("pairs", "data/real-pairs"):
            for part in ("train", "test"):
                save(folder / name / part / "clean" / f"{index}.png", crop)
                save(folder / name / part / "noisy" / f"{index}.png", with_noise(crop, index))
    # As a camera writes them: large, soft and noisy, with flat parts to measure noise in.
    for index, whole in enumerate((photo, skimage.data.coffee(), skimage.data.chelsea())):
        large = Image.fromarray(whole).resize((900, 900), Image.Resampling.BICUBIC)
        save(folder / "holiday" / f"{index}.jpg", with_noise(np.asarray(large), index))
    # So many that the fiftieth part that recipes hold out is two pictures.
    for index, crop in enumerate(crops(96, 12 * len(CLASSES))):
        label = CLASSES[index % len(CLASSES)]
        for part in ["train"] if index >= 2 * len(CLASSES) else ["train", "test"]:
            for name in ("stl10", "stl10-part", "data/stl10-part"):
                save(folder / name / part / label / f"{index}.png", crop)
        save(folder / "data/stl10-train-64px" / label / f"{index}.png", crop[:64, :64])
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("*.denoised.*"))
    module = "import torch\n\n\ndef make():\n    return torch.nn.Identity()\n"
    (folder / "package").mkdir()
    (folder / "package" / "module.py").write_text(module)
    for command in (
        "train photo_unet --dataset photos/ --steps 2 --out runs/mine",
        "export photo_unet -o mine.onnx",
    ):
        subprocess.run([sys.executable, "-m", "denoise_cli", *command.split()], cwd=folder, check=True)


def crops(side: int, count: int) -> list[Picture]:
    """Squares of public-domain photographs."""
    photos = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    rng = np.random.default_rng(0)
    found = []
    for index in range(count):
        photo = photos[index % len(photos)]
        top, left = (int(rng.integers(length - side)) for length in photo.shape[:2])
        found.append(photo[top : top + side, left : left + side])
    return found


def with_noise(picture: Picture, seed: int) -> Picture:
    """The picture under Gaussian noise of sigma 10."""
    noise = np.random.default_rng(seed).normal(0, 10, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def save(path: Path, picture: Picture) -> None:
    """Write a picture, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
