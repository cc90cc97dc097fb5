"""Cells of the grid, and the weights that fill them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoise_cli.config import CompareConfig
from denoise_cli.config.yaml import read_yaml
from denoise_cli.errors import DenoiseError, ModelWarning, WeightsError
from denoise_cli.external.network import ExternalNetwork
from denoise_cli.files import sha256
from denoise_cli.models import denoiser_info
from denoise_cli.models.registry import DENOISERS
from denoise_cli.noise.spec import is_mixture
from denoise_cli.runs import RunFolder
from denoise_cli.weights.header import WeightsHeader, read_header
from denoise_cli.weights.store import find_bundled, find_weights

# Keys in which runs of one recipe differ; a guided run's classifier has the run's own seed.
_OF_ONE_RUN = frozenset({"seed", "device", "out", "classifier"})


@dataclass(frozen=True, slots=True)
class CellName:
    """A model under one batch-norm setting and one noise."""

    model: str
    batch_norm: bool | None
    """None where the model has no batch norm."""
    noise: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A weight file that may fill a cell.

    Attributes:
        label: What results call it: the run's folder, the file, or `bundled`.
        seed: Training seed; None where that is not known.
        recipe: The run's config, but for seed, device and folder; None where that is not known.
        external: The network of another program, which `path` only names.
    """

    path: Path
    label: str
    architecture: WeightsHeader
    seed: int | None
    recipe: dict[str, Any] | None = None
    external: ExternalNetwork | None = None

    @property
    def sha256(self) -> str:
        """Checksum of the weights."""
        return sha256(self.path) if self.external is None else self.external.sha256


class RunsDifferError(WeightsError):
    """Runs that fit a cell but are not averaged; further training does not mend that."""


def cell_names(config: CompareConfig) -> list[CellName]:
    """All cells of a comparison: by batch norm, then noise, then model."""
    names = (
        CellName(model, setting if denoiser_info(model).batch_norm else None, noise)
        for setting in config.batch_norm
        for noise in config.noise
        for model in config.models
    )
    # A model without batch norm has one cell a noise, whatever the settings.
    return list(dict.fromkeys(names))


def find_candidates(cell: CellName, runs: Sequence[Candidate] | None) -> list[Candidate]:
    """The weights of a cell: from these runs, or the bundled ones.

    A run fills the cell of the noise that it was trained on; one trained on a mixture fills every
    cell whose noise no other run was trained on. Several are averaged where only their seeds differ.

    Raises:
        WeightsError: There are none.
        RunsDifferError: They differ in more than their seeds, or have the same.
    """
    if runs is None:
        path = find_bundled(cell.model, bool(cell.batch_norm))
        return [Candidate(path, "bundled", read_header(path), None)]
    fitting = [
        run
        for run in runs
        if run.architecture.kind == "denoiser"
        and run.architecture.name == cell.model
        and cell.batch_norm in {None, run.architecture.batch_norm}
        # Other guidance than the study's is compared by `--guidance`, not averaged in here.
        and (run.architecture.guidance, run.architecture.injection) == ("predicted", "concat")
    ]
    exact = [run for run in fitting if run.architecture.noise == cell.noise]
    found = exact or [run for run in fitting if is_mixture(run.architecture.noise)]
    if not found:
        settings = {True: " with batch norm", False: " without batch norm", None: ""}
        raise WeightsError(
            f"No run of {cell.model}{settings[cell.batch_norm]} was trained on this noise or a mixture."
        )
    _check_averaged(cell, found)
    return found


def _check_averaged(cell: CellName, runs: Sequence[Candidate]) -> None:
    names = " ".join(run.label for run in runs)
    advice = f"Compare them side by side: denoise compare {names}"
    if any(run.recipe != runs[0].recipe for run in runs):
        raise RunsDifferError(
            f"{len(runs)} runs of {cell.model} differ in more than their seeds, so they are not averaged. "
            + advice
        )
    if len({run.seed for run in runs}) < len(runs):
        raise RunsDifferError(
            f"{len(runs)} runs of {cell.model} do not all have seeds of their own, so they are not averaged. "
            + advice
        )


def train_command(model: str, batch_norm: bool | None, noises: Sequence[str], config: CompareConfig) -> str:
    """The command that trains a model under these noises and compares what came out."""
    dataset = "stl10" if config.data.dataset == "sample" else config.data.dataset
    parts = ["denoise compare --train", f"--models {model}"]
    parts += ["--no-batchnorm"] if batch_norm is False else []
    parts += [f"--noise {','.join(noises)}", f"--dataset {dataset}"]
    # Networks of other packages bring no recipe.
    parts += [] if model in DENOISERS.own else ["--set recipe=FOLDER"]
    parts += [] if config.weights is None else [f"--weights {config.weights}"]
    return " ".join(parts)


def read_runs(weights: Path) -> list[Candidate]:
    """The weights of all finished runs in a folder, of one run, or one file."""
    if weights.is_file() or (weights / "last.safetensors").is_file():
        paths = [find_weights(str(weights))]
    else:
        runs = [RunFolder(last.parent) for last in sorted(weights.glob("*/last.safetensors"))]
        # A folder of weights alone has no log to ask.
        paths = [find_weights(str(run.path)) for run in runs if run.is_finished or not run.metrics.is_file()]
        return list(_sound_candidates(paths))
    return [_candidate(path) for path in paths]


def _sound_candidates(paths: Sequence[Path]) -> Iterator[Candidate]:
    """Those of many runs that can be used; a warning for each of the others."""
    for path in paths:
        try:
            yield _candidate(path)
        except DenoiseError as error:
            warnings.warn(f"{path.parent} is left out: {error}", ModelWarning, stacklevel=2)


def _candidate(path: Path) -> Candidate:
    config = RunFolder(path.parent).config
    if not config.is_file():
        return Candidate(path, str(path.parent), read_header(path), None)
    recipe = read_yaml(config)
    seed = recipe.get("seed")
    return Candidate(
        path,
        str(path.parent),
        read_header(path),
        seed if isinstance(seed, int) else None,
        {key: value for key, value in recipe.items() if key not in _OF_ONE_RUN},
    )
