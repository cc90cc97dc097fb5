"""Run the server of the page until it is told to stop."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress

import uvicorn

from denoise_cli.errors import UsageError
from denoise_cli.serve.app import Desk, Service, build_app

_HOST = "127.0.0.1"
# Seconds that answers under way, and then photos at work, are waited for.
_GRACE = 2


def listen(port: int) -> socket.socket:
    """A socket of this machine alone; raises `UsageError` where the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((_HOST, port))
        # The address is printed before the server runs; who opens it at once waits.
        listening.listen()
    except OSError as error:
        listening.close()
        raise UsageError(
            f"Port {port} of this machine cannot be used: {error.strerror}.", "Choose another --port."
        ) from error
    return listening


def run(service: Service, listening: socket.socket) -> None:
    """Answer until Ctrl-C or SIGTERM."""
    desk = Desk()
    config = uvicorn.Config(
        build_app(service, listening.getsockname()[1], desk),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        http="h11",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        # It raises the signal anew when it has ended, for whoever has started it: that is us.
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        desk.clear(_GRACE)
        for number, handler in before.items():
            signal.signal(number, handler)
