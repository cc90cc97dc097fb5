"""`denoise serve`."""

from __future__ import annotations

import webbrowser
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import console
from denoise_cli.cli.options import RUN
from denoise_cli.config import DenoiseConfig, load_config
from denoise_cli.errors import UsageError

_option = partial(options.option, DenoiseConfig)


def serve(
    model: Annotated[str | None, _option("model")] = None,
    weights: Annotated[str | None, _option("weights")] = None,
    batchnorm: Annotated[bool | None, _option("batch_norm", "--batchnorm/--no-batchnorm")] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")
    ] = 0,
    open: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    max_megabytes: Annotated[
        int, typer.Option(min=1, max=100_000, help="Largest file that the page takes.")
    ] = 500,
    max_pixels: Annotated[str | None, _option("max_pixels", panel=RUN, metavar="MEGAPIXELS")] = None,
    runtime: Annotated[str | None, _option("runtime", panel=RUN)] = None,
    device: Annotated[str | None, _option("device", panel=RUN)] = None,
) -> None:
    """Clean photos on a page in the browser, on this machine: before and after under a slider.

    Example: denoise serve --open
    """
    for package in ("starlette", "uvicorn"):
        if find_spec(package) is None:
            raise UsageError(
                f"The page needs {package}, which is not installed.",
                "Install it: pip install starlette uvicorn",
            )
    flags = {
        "model": model,
        "weights": weights,
        "batch_norm": batchnorm,
        "max_pixels": max_pixels,
        "runtime": runtime,
        "device": device,
    }
    config = load_config(DenoiseConfig, None, [], flags)

    from denoise_cli.cli.run_photos import load, settings_of
    from denoise_cli.cli.signals import ending_on_signals
    from denoise_cli.cli.streams import without_library_messages
    from denoise_cli.photo.malloc import return_freed_memory
    from denoise_cli.serve.app import Service, new_token
    from denoise_cli.serve.run import listen, run

    return_freed_memory()
    with (
        ending_on_signals(lambda: False),
        listen(port) as socket,
        TemporaryDirectory(prefix="denoise-serve-", ignore_cleanup_errors=True) as folder,
        without_library_messages(),
    ):
        token, most_bytes = new_token(), max_megabytes * 1_000_000
        service = Service(load(config), settings_of(config), most_bytes, token, Path(folder))
        address = f"http://127.0.0.1:{socket.getsockname()[1]}/?token={token}"
        console.note("Open this address in a browser of this machine; Ctrl-C stops the page.")
        console.show(address)
        if open:
            webbrowser.open(address)
        run(service, socket)
    console.note("Stopped.")
