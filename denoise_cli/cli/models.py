"""`denoise models`."""

from __future__ import annotations

from denoise_cli.cli import options
from denoise_cli.cli.console import console, make_table

_SETTING = {True: "on", False: "off", None: ""}


def models(format: options.Format = None, json: options.Json = False) -> None:
    """List the architectures, and the weights that are bundled or found in ./runs."""
    from denoise_cli.weights.listing import list_architectures, list_weights

    architectures, weights = list_architectures(), list_weights()
    if options.chosen_format(format, json) == "json":
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
            row["noise"].replace("+", " + "),  # Long mixtures are wrapped there, not cut off.
            ", ".join(f"{name} {value:.2f}" for name, value in row["scores"].items()),
            f"{row['bytes'] / 1e6:.1f}",
        )
    console.show(table)
