"""Find weights: bundled in the package, in a run folder, or a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from denoise_cli.errors import UnknownName, WeightsError
from denoise_cli.files import sha256
from denoise_cli.models.registry import DENOISERS, denoiser_info
from denoise_cli.weights.header import read_header

if TYPE_CHECKING:
    from denoise_cli.weights.card import Card, Training


HUB_FILE = "model.safetensors"
"""What the weight file of a folder for the Hugging Face hub is called."""
HUB_PREFIX = "hf:"
"""Before the name of a repository of the hub."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """A weight file inside the package and its card."""

    path: Path

    @property
    def card(self) -> Card:
        """Its card, read when asked for: a photo is cleaned without it."""
        from denoise_cli.weights.card import read_card

        return read_card(self.path.with_suffix(".json"))

    @property
    def name(self) -> str:
        """File name without ending, such as `unet-bn`."""
        return self.path.stem

    @property
    def starts_from_folded_batch_norm(self) -> bool:
        """Whether training once began from the file with batch norm, folded into the convolutions."""
        with_batch_norm = bundled_name(self.card.model, batch_norm=True)
        training: Training | None = self.card.training
        while training is not None and with_batch_norm != self.name:
            if training.init == with_batch_norm:
                return True
            training = training.start
        return False


def bundled_name(model: str, batch_norm: bool) -> str:
    """File name without ending of a bundled weight file, such as `unet-bn` or `photo_unet`."""
    if model in DENOISERS and not DENOISERS[model].batch_norm:
        return model
    return f"{model}-{'bn' if batch_norm else 'nobn'}"


def list_bundled() -> list[Bundled]:
    """All weight files in the package, by name."""
    folder = Path(str(files("denoise_cli.weights"))) / "bundled"
    return [Bundled(path) for path in sorted(folder.glob("*.safetensors"))]


def find_bundled(model: str, batch_norm: bool) -> Path:
    """The bundled weights of a denoiser; raises `WeightsError` that says how to make them."""
    for entry in list_bundled():
        if entry.name == bundled_name(model, batch_norm):
            return entry.path
    switch = denoiser_info(model).batch_norm
    setting = (" with batch norm" if batch_norm else " without batch norm") if switch else ""
    flag = " --no-batchnorm" if switch and not batch_norm else ""
    raise WeightsError(
        f"No weights are bundled for {model}{setting}.",
        f"Train them: denoise train {model}{flag} --dataset stl10, then add --weights RUN.",
    )


def find_card(weights: Path) -> Card | None:
    """The card of a bundled weight file, or of the run or published folder that it lies in; None without one.

    A card speaks of one file: it counts only for the file whose checksum it holds.
    """
    from denoise_cli.weights.card import read_card

    for path in (weights.with_suffix(".json"), weights.with_name("card.json")):
        try:
            card = read_card(path)
        except WeightsError:
            continue
        if card.sha256 == sha256(weights):
            return card
    return None


def label_of(path: Path) -> str:
    """What results call a weight file: its run's name, else its own; empty for a bundled one."""
    if any(path == entry.path for entry in list_bundled()):
        return ""
    if path.name == "best.safetensors" or (
        path.name == "last.safetensors" and not path.with_name("best.safetensors").is_file()
    ):
        return path.resolve().parent.name
    if path.name == HUB_FILE:
        return _name_of_hub_folder(path)
    own = path.stem
    return f"{path.resolve().parent.name}-last" if own == "last" else own


def _name_of_hub_folder(path: Path) -> str:
    """The name of a folder that was exported or, in the hub's cache, of the repository."""
    snapshot = path.parent
    if snapshot.parent.name == "snapshots":
        return snapshot.parent.parent.name.rpartition("--")[2]
    return snapshot.resolve().name


def names_weights(name: str) -> bool:
    """Whether this is no model's name, but what `find_weights` finds, or a network of another program."""
    with suppress(UnknownName):
        denoiser_info(name)
        return False
    return os.path.lexists(name) or ":" in name or any(entry.name == name for entry in list_bundled())


def find_weights(name: str) -> Path:
    """The weight file that a name stands for.

    A path, a run folder (`best` where it has one, else `last`), a folder as `export --format hub` writes
    it, a bundled name, or `hf:OWNER/NAME`, which is downloaded.
    """
    path = Path(name)
    if name.startswith(HUB_PREFIX) and not path.exists():
        from denoise_cli.weights.hub import download

        return download(name)
    if path.is_dir():
        for candidate in ("best.safetensors", "last.safetensors", HUB_FILE):
            if (path / candidate).is_file():
                return path / candidate
        raise WeightsError(
            f"{path} holds no best.safetensors, last.safetensors or {HUB_FILE}.",
            "Is it the folder of a run that has begun?",
        )
    if not path.is_file():
        for entry in list_bundled():
            if entry.name == name:
                return entry.path
        raise WeightsError(
            f"There is no weight file or run folder {name}.", "`denoise models` lists what there is."
        )
    return path


def find_classifier(kind: str, batch_norm: bool, classes: Sequence[str], given: str | None) -> Path:
    """Weights that hold a classifier for these classes.

    Args:
        kind: Registry key of the classifier.
        batch_norm: The setting that it must have.
        classes: Class names of the training data, all of which it must know; empty: any.
        given: What the user named, else a bundled guided denoiser's classifier is taken.

    Raises:
        WeightsError: None fits; says which command makes one.
    """
    flag = "" if batch_norm else " --no-batchnorm"
    hint = f"Make one: denoise classify {kind}{flag} --dataset DATASET, then add --classifier RUN."
    if given is not None:
        path = find_weights(given)
        found = read_header(path)
        holds = found.name if found.kind == "classifier" else DENOISERS[found.name].classifier
        if holds != kind:
            raise WeightsError(f"{given} holds no {kind!r} classifier but {found.name!r}.", hint)
        if found.batch_norm != batch_norm:
            setting = "with" if found.batch_norm else "without"
            raise WeightsError(
                f"{given} was trained {setting} batch norm; a guided model and its classifier "
                "have the same setting.",
                hint,
            )
        _check_classes(given, found.classes, classes, hint)
        return path
    for entry in list_bundled():
        info = DENOISERS[entry.card.model]
        if info.classifier == kind and entry.card.batch_norm == batch_norm:
            _check_classes("The bundled classifier", read_header(entry.path).classes, classes, hint)
            return entry.path
    setting = "with" if batch_norm else "without"
    raise WeightsError(f"No {kind!r} classifier {setting} batch norm is bundled.", hint)


def _check_classes(who: str, known: Sequence[str], wanted: Sequence[str], hint: str) -> None:
    missing = [name for name in wanted if name not in known]
    if missing:
        noun = "class" if len(missing) == 1 else "classes"
        raise WeightsError(f"{who} does not know the {noun} {', '.join(missing)} of this data set.", hint)
