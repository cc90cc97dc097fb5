"""`denoise models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from denoise_cli.cli import options
from denoise_cli.cli.complete import models_and_weights
from denoise_cli.cli.console import console, make_table
from denoise_cli.errors import UnknownName
from denoise_cli.models.registry import letters_of

_SETTING = {True: "on", False: "off", None: ""}


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Show all that is known of this model or of these weights.",
            autocompletion=models_and_weights,
            show_default=False,
        ),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="List weights of published denoisers, and their addresses.",
        ),
    ] = False,
    format: options.FormatOption = None,
    json: options.Json = False,
) -> None:
    """List the architectures, and the weights that are bundled or found in ./runs.

    Examples: denoise models; denoise models unet-bn; denoise models --published
    """
    if published:
        options.check_effective({"NAME": name}, "with --published", "Leave it out.")
        _show_published(options.chosen_format(format, json) == "json")
        return
    from denoise_cli.weights.listing import list_architectures, list_weights

    as_json = options.chosen_format(format, json) == "json"
    architectures, weights = list_architectures(), list_weights()
    if name is not None:
        card = _card(name, architectures, weights)
        if as_json:
            console.json(card)
        else:
            _show_card(name, card)
        return
    if as_json:
        console.json({"models": architectures, "weights": weights})
        return
    table = make_table("Models", "model", "kind", "parameters", "without batch norm", "GFLOP/megapixel")
    for row in architectures:
        table.add_row(
            row["name"],
            row["kind"],
            f"{row['parameters']:,}",
            f"{row['parameters_no_batch_norm']:,}",
            f"{row['gflop_per_megapixel']:.1f}",
        )
    console.show(table)
    if not weights:
        console.show("No weights are bundled or found in ./runs.")
        return
    table = make_table("Weights", "weights", "model", "batch norm", "trained on", "scores (dB)", "MB")
    for row in weights:
        table.add_row(
            row["name"],
            row["model"],
            _SETTING[row["batch_norm"]],
            row["noise"].replace("+", " + "),  # Long mixtures are wrapped there.
            ", ".join(f"{name} {value:.2f}" for name, value in row["scores"].items()),
            f"{row['bytes'] / 1e6:.1f}",
        )
    console.show(table)


def _show_published(as_json: bool) -> None:
    """The table of published weights; nothing is downloaded."""
    from denoise_cli.external.known import list_published

    rows = list_published()
    if as_json:
        console.json(rows)
        return
    table = make_table("Published weights", "weights", "network", "MB", "noise", "licence", "read")
    for row in rows:
        keys = ("name", "architecture", "megabytes", "noise", "licence", "readable")
        table.add_row(*(row[key] for key in keys))
    console.show(table)
    for row in rows:
        console.show(f"{row['name']}: {row['address']}")
    console.note("Download what you want, then: denoise test --weights FILE (pip install spandrel).")


def _card(name: str, architectures: list[dict[str, Any]], weights: list[dict[str, Any]]) -> dict[str, Any]:
    """What is known of weights or, where no weights have the name, of a model."""
    from denoise_cli.weights.listing import row_of
    from denoise_cli.weights.store import find_card, names_weights

    # Of a denoiser and a classifier of one name, the denoiser, which comes first.
    rows = {letters_of(row["name"]): row for row in reversed([*architectures, *weights])}
    row = rows.get(letters_of(name))
    if row is None and names_weights(name):
        row = row_of(name)
    if row is None:
        raise UnknownName("model or weights", name, [each["name"] for each in rows.values()])
    card = find_card(Path(row["path"])) if "path" in row else None
    return row if card is None else {**row, **card.model_dump(mode="json", exclude_unset=True)}


def _show_card(name: str, card: dict[str, Any]) -> None:
    table = make_table(name, "", "")
    table.columns[1].justify = "left"
    for key, value in card.items():
        if key != "scores":
            table.add_row(key.replace("_", " "), _text(value))
    console.show(table)
    if not card.get("sha256") or not card["scores"]:  # of no card, or of a classifier's
        return
    table = make_table("Scores", "test set, noise", "images", "PSNR (dB)", "SSIM")
    for row in card["scores"]:
        ssim = "" if row["ssim"] is None else f"{row['ssim']:.4f}"
        scores = (str(row["n"]), f"{row['psnr']:.2f}", ssim)
        table.add_row(f"{row['set']}, {row['noise']}", *scores)
    console.show(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "\n".join(_text(each) for each in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
