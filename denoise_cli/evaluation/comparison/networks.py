"""Networks that a comparison names one by one: models, weights, runs, networks of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from denoise_cli.errors import UnknownName, WeightsError
from denoise_cli.evaluation.comparison.cells import Candidate, read_runs
from denoise_cli.external.load import is_external, load_external
from denoise_cli.models.guidance import NEEDS_EXTERNAL_LOGITS
from denoise_cli.models.registry import DENOISERS, letters_of
from denoise_cli.weights.header import WeightsHeader, read_header
from denoise_cli.weights.store import HUB_FILE, find_bundled, label_of, list_bundled


def find_networks(names: Sequence[str], batch_norm: bool) -> dict[str, Candidate]:
    """The weights of each network, by the name that its row has.

    Args:
        names: What the user wrote; a name of a model means its bundled weights.
        batch_norm: Which of a model's bundled weights.

    Raises:
        UnknownName, WeightsError: Nothing there, or no denoiser that can be scored on pictures alone.
    """
    found = [candidate for name in names for candidate in _find(name, batch_norm)]
    found = list({candidate.path.resolve(): candidate for candidate in found}.values())
    short = [_row_name(candidate) for candidate in found]
    rows = {}
    for name, candidate in zip(short, found, strict=True):
        # Two runs of one name in different folders are told apart by their paths.
        rows[name if short.count(name) == 1 else str(candidate.path)] = candidate
    return rows


def _find(name: str, batch_norm: bool) -> list[Candidate]:
    path = Path(name)
    if is_external(name):
        network = load_external(name)
        architecture = WeightsHeader("denoiser", network.name, batch_norm=False)
        return [Candidate(path, name, architecture, None, external=network)]
    if path.exists():
        candidates = read_runs(_published(path) or path)
        if len(candidates) > 1:
            # `classify` puts its runs beside those of denoisers.
            candidates = [each for each in candidates if each.architecture.kind == "denoiser"]
        if not candidates:
            raise WeightsError(
                f"{name} holds no finished runs.", "Name a run folder, a weight file, or a folder of runs."
            )
    else:
        candidates = [_bundled(name, batch_norm)]
    for candidate in candidates:
        _check(candidate)
    return candidates


def _published(path: Path) -> Path | None:
    """The weight file in a folder as `export --format hub` writes it."""
    file = path / HUB_FILE
    return file if file.is_file() else None


def _bundled(name: str, batch_norm: bool) -> Candidate:
    models = {letters_of(model): model for model in DENOISERS}
    entries = {letters_of(entry.name): entry.path for entry in list_bundled()}
    key = letters_of(name)
    if key not in models and key not in entries:
        if Path(name).suffix or Path(name).name != name:
            raise WeightsError(
                f"There is no weight file or run folder {name}.", "`denoise models` lists what there is."
            )
        raise UnknownName("network", name, sorted({*models.values(), *(e.name for e in list_bundled())}))
    path = find_bundled(models[key], batch_norm) if key in models else entries[key]
    return Candidate(path, "bundled", read_header(path), None)


def _check(candidate: Candidate) -> None:
    architecture = candidate.architecture
    if architecture.kind != "denoiser":
        raise WeightsError(
            f"{candidate.path} holds the classifier {architecture.name!r}, not a denoiser.",
            f"Test it with: denoise classify --eval-only --weights {candidate.path} --dataset DATASET",
        )
    if architecture.guidance in NEEDS_EXTERNAL_LOGITS:
        raise WeightsError(
            f"{candidate.path} has `{architecture.guidance}` guidance, which no picture shows.",
            "Compare such runs with: denoise compare --guidance all --weights FOLDER",
        )


def _row_name(candidate: Candidate) -> str:
    if candidate.external is not None:
        return candidate.external.name
    return label_of(candidate.path) or candidate.path.stem
