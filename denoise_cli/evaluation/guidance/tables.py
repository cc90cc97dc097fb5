"""Tables of a comparison of guidance; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from denoise_cli.errors import counted
from denoise_cli.evaluation.guidance.gains import Gain, Row, build_rows
from denoise_cli.evaluation.guidance.results import GuidanceResults, Variant
from denoise_cli.evaluation.report.record import Interval
from denoise_cli.evaluation.report.sheet import NONE, Column, Group, Sheet, column_title


def build_guidance_sheets(results: GuidanceResults) -> list[Sheet]:
    """One table per noise and batch-norm setting."""
    return [
        _sheet(results, noise, batch_norm)
        for noise in results.noises
        for batch_norm in norm_settings(results)
    ]


def guidance_notes(results: GuidanceResults) -> list[str]:
    """Explanations of the columns, then the notes of the results."""
    return [
        "Gain: PSNR or SSIM minus the score of the plain U-Net (`none`) of the same training seed on the "
        "same noisy image; its interval holds 95 % over images, for these runs.",
        "Gain over shuffled: PSNR minus the score of the network conditioned on another picture, which has "
        "the same parameters: the effect of this picture's guidance.",
        "Seeds: the mean gain of each training seed, and the 95 % interval of their mean by Student's t. "
        "An effect counts where neither interval holds zero.",
        *results.notes,
    ]


def variant_name(variant: Variant, results: GuidanceResults) -> str:
    """The source, with injection and model where the results hold several of them."""
    if variant.injection is None:
        return "none"
    guided = {run.variant for run in results.runs if run.variant.injection is not None}
    parts: list[str] = [variant.source]
    parts += [variant.injection] if len({other.injection for other in guided}) > 1 else []
    parts += [variant.model] if len({other.model for other in guided}) > 1 else []
    return ", ".join(parts)


def norm_settings(results: GuidanceResults) -> list[bool]:
    """The batch-norm settings of the results, in order."""
    return list(dict.fromkeys(run.variant.batch_norm for run in results.runs))


def _sheet(results: GuidanceResults, noise: str, batch_norm: bool) -> Sheet:
    rows = build_rows(results, noise, batch_norm)
    trained = dict.fromkeys(run.trained_on for run in results.runs if run.noise == noise)

    def column(title: str, text: Callable[[Row], str]) -> Group:
        return Group("", (Column(title, tuple(text(row) for row in rows)),))

    # Left out without a `shuffled` run.
    controlled = [
        column("gain over shuffled, dB", lambda row: _gain(row.over_shuffled, 3)),
        column(
            "its seeds, dB", lambda row: _seeds(row.seeds_over_shuffled, row.seeds_interval_over_shuffled)
        ),
    ]
    return Sheet(
        f"{column_title(batch_norm, noise)}: {results.dataset_name}, "
        f"{counted(len(results.images), 'image')}, trained on {', '.join(trained)}",
        tuple(variant_name(row.variant, results) for row in rows),
        (
            column("PSNR", lambda row: f"{row.psnr:.3f}"),
            column("SSIM", lambda row: f"{row.ssim:.4f}"),
            column("gain, dB", lambda row: _gain(row.psnr_gain, 3)),
            column("seeds, dB", lambda row: _seeds(row.seeds, row.seeds_interval)),
            column("SSIM gain", lambda row: _gain(row.ssim_gain, 4)),
            column("accuracy", lambda row: NONE if row.accuracy is None else f"{100 * row.accuracy:.1f} %"),
            column("gain where right", lambda row: _gain(row.where_right, 3, with_count=True)),
            column("gain where wrong", lambda row: _gain(row.where_wrong, 3, with_count=True)),
            *(controlled if any(row.over_shuffled for row in rows) else ()),
        ),
    )


def _gain(gain: Gain | None, digits: int, *, with_count: bool = False) -> str:
    if gain is None:
        return NONE
    text = f"{gain.mean:+.{digits}f}{_interval(gain.interval, digits)}"
    return f"{text}, n = {gain.count}" if with_count else text


def _seeds(values: Sequence[float], interval: Interval | None) -> str:
    if not values:
        return NONE
    return ", ".join(f"{value:+.3f}" for value in values) + _interval(interval, 3)


def _interval(interval: Interval | None, digits: int) -> str:
    return "" if interval is None else f" ({interval[0]:+.{digits}f} to {interval[1]:+.{digits}f})"
