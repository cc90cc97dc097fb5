"""`denoise test`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from denoise_cli.cli import options
from denoise_cli.cli.console import console, make_table
from denoise_cli.cli.options import IMAGES, RUN
from denoise_cli.config import TestConfig, load_config
from denoise_cli.errors import counted, left_out

_option = partial(options.option, TestConfig)


def test(
    model: Annotated[str | None, options.argument(TestConfig, "model")] = None,
    named: options.Named = None,
    dataset: Annotated[str | None, _option("data.dataset", panel=IMAGES)] = None,
    data_dir: Annotated[str | None, _option("data.data_dir", panel=IMAGES)] = None,
    limit: Annotated[str | None, _option("data.limit", panel=IMAGES)] = None,
    noise: Annotated[str | None, _option("noise", panel=IMAGES)] = None,
    batchnorm: Annotated[bool | None, _option("batch_norm", "--batchnorm/--no-batchnorm")] = None,
    weights: Annotated[str | None, _option("weights")] = None,
    protocol: Annotated[str | None, _option("protocol")] = None,
    seed: Annotated[str | None, _option("seed", panel=RUN)] = None,
    device: Annotated[str | None, _option("device", panel=RUN)] = None,
    output: Annotated[str | None, _option("out")] = None,
    overwrite: options.Overwrite = False,
    config: options.Config = None,
    set: options.Set = None,
    format: options.FormatOption = None,
    json: options.Json = False,
) -> None:
    """Score a denoiser on a data set: PSNR and SSIM with 95 % intervals.

    Example: denoise test unet --dataset stl10 --noise intense
    """
    flags = {
        **options.model_or_weights(options.one_model(model, named), weights),
        "data.dataset": dataset,
        "data.data_dir": data_dir,
        "data.limit": limit,
        "noise": noise,
        "batch_norm": batchnorm,
        "protocol": protocol,
        "seed": seed,
        "device": device,
        "out": output,
    }
    as_json = options.chosen_format(format, json) == "json"
    settings = load_config(TestConfig, config, set or [], flags)

    from denoise_cli.evaluation.run_test import run_test

    report = run_test(settings, console.progress, overwrite=overwrite)
    if report is None:
        return
    row = report.summary
    if row.skipped:
        console.note(f"{left_out(len(row.skipped))}, such as {row.skipped[0]}")
    for note in row.notes:
        console.note(note)
    for name, count in (("PSNR", row.psnr_left_out), ("SSIM", row.ssim_left_out)):
        if count:
            console.note(f"{counted(count, 'image')} without a finite {name}: left out of the mean.")
    if as_json:
        console.json(report.rows())
        return
    table = make_table(
        f"{row.model} on {row.dataset} ({counted(row.n, 'image')}), {row.noise} noise",
        "",
        "PSNR (dB)",
        "95 % interval",
        "SSIM",
        "95 % interval",
    )
    for name, psnr, psnr_interval, ssim, ssim_interval in (
        ("noisy", row.noisy_psnr, row.noisy_psnr_interval, row.noisy_ssim, row.noisy_ssim_interval),
        ("denoised", row.psnr, row.psnr_interval, row.ssim, row.ssim_interval),
    ):
        table.add_row(
            name,
            f"{psnr:.3f}",
            _range(psnr_interval, 3),
            f"{ssim:.4f}",
            _range(ssim_interval, 4),
        )
    if row.paper_psnr is not None:
        table.add_row("denoised, paper protocol", f"{row.paper_psnr:.3f}", "", f"{row.paper_ssim:.4f}", "")
    console.show(table)
    console.show(f"{1000 * row.seconds_per_image:.1f} ms per image on {row.device}.")
    console.note(f"Per-image scores and pictures: {report.folder}")


def _range(interval: tuple[float, float] | None, digits: int) -> str:
    """Empty for a single image or photo, which has no interval."""
    return "" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"
