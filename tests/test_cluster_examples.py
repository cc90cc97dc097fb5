"""The job files of examples/cluster: their grammar, and what they run, by processes of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import write_images

FOLDER = Path(__file__).parents[1] / "examples" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
JOBS = sorted(FOLDER.glob("*.yaml"))
# What a compute node has and this machine lacks: srun runs its command on each node, here on the one.
SRUN = '#!/bin/bash\nwhile [[ "$1" == --* ]]; do shift; done\nexec "$@"\n'
SCONTROL = '#!/bin/bash\n[ "$1" = show ] && echo localhost || echo "$@" >> requeued\n'


def _containers(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]["containers"]
    return found


def _environment(folder: Path, **more: str) -> dict[str, str]:
    """As on a node: the program, torchrun and SLURM's commands are found."""
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **more}


def test_there_is_one_for_each_use() -> None:
    assert [path.name for path in SCRIPTS] == ["slurm-photos.sh", "slurm-train.sh"]
    assert [path.name for path in JOBS] == ["kubernetes-photos.yaml", "kubernetes-train.yaml"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound(script: Path) -> None:
    checks = [["bash", "-n", str(script)]]
    if shutil.which("shellcheck"):
        checks.append(["shellcheck", str(script)])
    for check in checks:
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_script_inside_the_training_job_is_sound(tmp_path: Path) -> None:
    (container,) = _containers(FOLDER / "kubernetes-train.yaml")
    assert container["command"] == ["bash", "-euo", "pipefail", "-c"]
    (tmp_path / "run.sh").write_text(container["args"][0])
    subprocess.run(["bash", "-n", str(tmp_path / "run.sh")], check=True)
    assert "torchrun --standalone" in container["args"][0]


@pytest.mark.parametrize("system", ["slurm", "kubernetes"])
def test_an_array_of_jobs_cleans_each_photo_once(tmp_path: Path, system: str) -> None:
    write_images(tmp_path / "photos", 5, 32)
    made = []
    for index in range(2):
        if system == "slurm":
            command = ["bash", str(FOLDER / "slurm-photos.sh"), "photos", "clean"]
            share = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": "2"}
            share |= {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_STEP": "1"}
        else:
            (container,) = _containers(FOLDER / "kubernetes-photos.yaml")
            folders = {"/photos/in": "photos", "/photos/out": "clean"}
            command = ["denoise", *(folders.get(word, word) for word in container["args"])]
            assert [each["name"] for each in container["env"]] == ["JOB_COMPLETION_COUNT"]
            share = {"JOB_COMPLETION_INDEX": str(index), "JOB_COMPLETION_COUNT": "2"}
        environment = _environment(tmp_path, **share)
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "exist" not in done.stderr
        made.append(len(list((tmp_path / "clean").iterdir())))
    assert 0 < made[0] < made[1] == 5


@pytest.mark.slow
def test_a_preempted_training_job_saves_is_requeued_and_goes_on(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 12, 32)
    arguments = ["cae", "--dataset", "images", "--steps", "5000", "--batch-size", "4", "--output", "run"]
    settings = ["--set", "save_seconds=0", "--set", "precision=fp32", "--set", "validate_every=1000"]
    environment = _environment(
        tmp_path, GPUS="2", SLURM_JOB_ID="7", SLURM_JOB_NUM_NODES="1", SLURM_JOB_NODELIST="localhost"
    )
    script = (FOLDER / "slurm-train.sh").read_text()
    (tmp_path / "job.sh").write_text(script.replace(":29500", ":0"))  # Any free port: tests run side by side.
    steps = []
    for _ in range(2):
        before = _newest(tmp_path)
        job = subprocess.Popen(
            ["bash", "job.sh", *arguments, *settings],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        while job.poll() is None and _newest(tmp_path) <= before:
            time.sleep(0.05)
        job.send_signal(signal.SIGTERM)
        _, message = job.communicate(timeout=120)
        assert job.returncode == 0, message
        steps.append(_newest(tmp_path))
    assert 0 < steps[0] < steps[1] < 5000
    assert (tmp_path / "requeued").read_text() == "requeue 7\nrequeue 7\n"


def _newest(folder: Path) -> int:
    return max((int(path.stem[5:]) for path in (folder / "run/checkpoints").glob("step-*.pt")), default=0)


def test_a_training_job_without_a_folder_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(FOLDER / "slurm-train.sh"), "unet", "--dataset", "stl10"],
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--output FOLDER" in done.stderr
