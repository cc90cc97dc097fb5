"""Values that a shell completes; each function gets what is typed so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path


def _starting(incomplete: str, values: Iterable[str]) -> list[str]:
    return [value for value in values if value.startswith(incomplete)]


def _denoisers(incomplete: str) -> list[str]:
    from denoise_cli.models.registry import DENOISERS

    return _starting(incomplete, DENOISERS)


def _classifiers(incomplete: str) -> list[str]:
    from denoise_cli.models.registry import CLASSIFIERS

    return _starting(incomplete, CLASSIFIERS)


def _datasets(incomplete: str) -> list[str]:
    from denoise_cli.data.names import NAMED

    folders = (f"{path}/" for path in sorted(Path().iterdir()) if path.is_dir())
    return _starting(incomplete, [*NAMED, *folders])


def _noises(incomplete: str) -> list[str]:
    from denoise_cli.noise.spec import PRESETS

    return _starting(incomplete, [*PRESETS, "gaussian:0.1", "awgn:25"])


def configs(incomplete: str) -> list[str]:
    """Names of the configs that come with the program."""
    from denoise_cli.config import shipped_configs

    return _starting(incomplete, shipped_configs())


def runs(incomplete: str) -> list[str]:
    """Run folders in ./runs."""
    return _starting(incomplete, (str(path.parent) for path in sorted(Path("runs").glob("*/config.yaml"))))


def weights(incomplete: str) -> list[str]:
    """Bundled names and run folders."""
    from denoise_cli.weights.store import list_bundled

    return [*_starting(incomplete, (entry.name for entry in list_bundled())), *runs(incomplete)]


def _denoisers_and_weights(incomplete: str) -> list[str]:
    return [*_denoisers(incomplete), *weights(incomplete)]


def models_and_weights(incomplete: str) -> list[str]:
    """Everything that `denoise models` has a card of."""
    return [*_denoisers(incomplete), *_classifiers(incomplete), *weights(incomplete)]


def completion_of(config: str, key: str) -> Callable[[str], list[str]] | None:
    """What completes the value of a field, if anything does."""
    if key == "model":
        own = {"ClassifyConfig": _classifiers, "TrainConfig": _denoisers}
        return own.get(config, _denoisers_and_weights)
    known = {
        "data.dataset": _datasets,
        "noise": _noises,
        "weights": weights,
        "models": _denoisers,
        "networks": models_and_weights,
    }
    return known.get(key)
