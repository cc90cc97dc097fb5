"""Train, test, compare and export from Python: what the commands do, without what they print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from denoise_cli.config import CompareConfig, TestConfig, TrainConfig, load_config
from denoise_cli.config.base import Section
from denoise_cli.errors import UsageError
from denoise_cli.evaluation.comparison.results import Results
from denoise_cli.evaluation.report.frame import as_frame
from denoise_cli.evaluation.report.summaries import TestSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas import DataFrame

    from denoise_cli.training.run import TrainResult

Settings = Mapping[str, Any]
"""Settings by key, such as `{"steps": 100, "optim": {"lr": 1e-3}}` or `{"optim.lr": 1e-3}`."""

C = TypeVar("C", bound=Section)


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation:
    """Scores of one network on one data set.

    Attributes:
        summary: Means, intervals and what was scored, as `denoise test --json` prints them.
        folder: Holds `scores.json` and pictures.
    """

    summary: TestSummary
    folder: Path

    @property
    def psnr(self) -> float:
        """Mean PSNR over the images, in dB."""
        return self.summary.psnr

    @property
    def ssim(self) -> float:
        """Mean SSIM over the images."""
        return self.summary.ssim

    def to_frame(self) -> DataFrame:
        """One row per image: `image`, `psnr`, `ssim`, `noisy_psnr`, `noisy_ssim`. Needs pandas."""
        stored = json.loads((self.folder / "scores.json").read_bytes())
        return as_frame({"image": stored["images"], **stored["per_image"]})

    def __repr__(self) -> str:
        s = self.summary
        return (
            f"<Evaluation of {s.model} on {s.n} images of {s.dataset}, {s.noise} noise: "
            f"{s.psnr:.2f} dB, SSIM {s.ssim:.3f} (noisy {s.noisy_psnr:.2f} dB)>"
        )


def train(
    config: TrainConfig | Settings | str | Path,
    settings: Settings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> TrainResult:
    """Train a denoiser, as `denoise train` does.

    Args:
        config: Settings, a config's file or shipped name (`"weights/unet"`), or a `TrainConfig`.
        settings: What differs from `config`.
        resume: Go on with the run in the folder `out`.
        overwrite: Replace that run.

    Returns:
        The run folder and its weight file; `load_model(result.weights)` loads it.

    Raises:
        ConfigError, DataError, OutputExists, TrainingError: As the command says.
    """
    from denoise_cli.training.run import SilentReporter
    from denoise_cli.training.run import train as run

    result = run(_config(TrainConfig, config, settings), SilentReporter(), resume=resume, overwrite=overwrite)
    assert result is not None, "of another process than the first"
    return result


def evaluate(
    config: TestConfig | Settings | str | Path, settings: Settings | None = None, *, overwrite: bool = False
) -> Evaluation:
    """Score a denoiser on a data set, as `denoise test` does.

    Args:
        config: Settings, such as `{"model": "runs/mine", "data.dataset": "photos"}`, a config's file or
            shipped name, or a `TestConfig`. As on the command line, `model` may be weights.
        settings: What differs from `config`.
        overwrite: Replace results of another request in the folder `out`.

    Raises:
        ConfigError, DataError, WeightsError, OutputExists: As the command says.
    """
    from denoise_cli.evaluation.run_test import run_test

    given = _config(TestConfig, _with_weights(config), _with_weights(settings))
    report = run_test(given, _silent, overwrite=overwrite)
    assert report is not None, "of another process than the first"
    return Evaluation(report.summary, report.folder)


def compare(config: CompareConfig | Settings | str | Path, settings: Settings | None = None) -> Results:
    """Score networks and classical methods on the same noisy images, as `denoise compare` does.

    Args:
        config: Settings, such as `{"networks": ["photo_unet", "runs/mine"], "data.dataset": "photos"}`,
            a config's file or shipped name, or a `CompareConfig`.
        settings: What differs from `config`.

    Returns:
        The scores; `to_frame()` makes a table of them.

    Raises:
        ConfigError, DataError, WeightsError: As the command says.
        UsageError: Asked to train first, or to compare sources of guidance.
    """
    from denoise_cli.evaluation.comparison.run import run_comparison

    wanted = _config(CompareConfig, config, settings)
    if wanted.train or wanted.guidance:
        raise UsageError(
            "compare() scores what is trained already.", "Train with train(), or on the command line."
        )
    results = run_comparison(wanted, _silent)
    assert results is not None, "of another process than the first"
    return results


def export(
    model: str | Path | None,
    output: str | Path,
    *,
    batch_norm: bool | None = None,
    overwrite: bool = False,
    opset: int | None = None,
    half: bool = False,
) -> Path:
    """Write a denoiser for other programs, as `denoise export` does.

    Args:
        model: A model with bundled weights, a weight file or a run folder; None is the default.
        output: `NAME.onnx`; `NAME.dtmodel` for darktable; a folder, or a name without ending, for a folder
            as the Hugging Face hub has it.
        batch_norm: The setting of the weights (default: of bundled ones with batch norm).
        overwrite: Replace `output`.
        opset: Version of ONNX's operator set, 15 to 23 (default: 18).
        half: Store ONNX weights as float16.

    Returns:
        `output`.

    Raises:
        OutputExists, WeightsError, UnknownName, UsageError: As the command says.
    """
    from denoise_cli.onnx.darktable import SUFFIX, export_darktable
    from denoise_cli.onnx.export import export_onnx
    from denoise_cli.onnx.protobuf import OPSET
    from denoise_cli.photo.runtimes.load import find_named
    from denoise_cli.weights.hub import export_folder

    target = Path(output)
    kind = "" if target.is_dir() else target.suffix.lower()
    if kind not in {".onnx", SUFFIX, ""}:
        raise UsageError(
            f"{target} ends in {target.suffix}, which says neither an ONNX file nor one for darktable.",
            f"Name it NAME.onnx or NAME{SUFFIX}, or make the folder first.",
        )
    if kind != ".onnx" and (half or opset is not None):
        raise UsageError(f"`opset` and `half` are of ONNX files, and {target} is none.", "Leave them out.")
    weights = find_named(model, batch_norm)
    if kind == SUFFIX:
        export_darktable(weights, target, overwrite=overwrite)
    elif kind:
        export_onnx(weights, target, overwrite=overwrite, opset=opset or OPSET, half=half)
    else:
        export_folder(weights, target, overwrite=overwrite)
    return target


def _with_weights(settings: Any) -> Any:
    """Settings whose `model` may be weights, as on the command line."""
    if not isinstance(settings, Mapping):
        return settings
    from denoise_cli.weights.store import names_weights

    model, weights = settings.get("model"), settings.get("weights")
    if weights is not None or not isinstance(model, str | PathLike) or not names_weights(str(model)):
        return dict(settings)
    return {**settings, "model": None, "weights": model}


def _config(kind: type[C], config: C | Settings | str | Path, settings: Settings | None) -> C:
    flags = _dotted(settings or {})
    if isinstance(config, kind):
        if flags:
            raise UsageError(f"A {kind.__name__} is complete.", "Give settings with a name or a mapping.")
        return config
    if isinstance(config, Mapping):
        return load_config(kind, None, [], _dotted(config) | flags)
    if not isinstance(config, str | Path):
        raise TypeError(f"config must be settings, a file or a {kind.__name__}, not {type(config).__name__}")
    return load_config(kind, str(config), [], flags)


def _dotted(settings: Settings, above: str = "") -> dict[str, Any]:
    """Settings of sections as keys with dots."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{above}{key}"
        flat |= (
            _dotted(value, f"{name}.") if isinstance(value, Mapping) and name != "noise" else {name: value}
        )
    return flat


@contextmanager
def _silent(_title: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda count: None
