"""Run the server of the page until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

import uvicorn

from denoise_cli.errors import UsageError
from denoise_cli.serve.app import Desk, Service, build_app

_HOST = "127.0.0.1"
# Seconds that answers under way, and then photos at work, are waited for.
_GRACE = 2
# Windows has no SIGHUP, which a terminal that is closed sends.
_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Server(uvicorn.Server):
    """Ends answers on photos at work when it is told to stop, and says nothing of those that it cuts off."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self._desk.close()
        # It tells of each answer that it cuts off, such as a half-sent photo's, with a traceback.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(None if sockets is None else list(sockets))


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
    """Answer until Ctrl-C, SIGTERM or SIGHUP; a signal that was ignored before, as `nohup` does, stays so."""
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
    server = _Server(config, desk)
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    try:
        # It handles SIGINT and SIGTERM itself, and raises them anew when it has ended, for whoever has
        # started it: that is us. Of SIGHUP it knows nothing.
        for number, handler in before.items():
            ignored = number in {signal.SIGINT, signal.SIGTERM} or handler is signal.SIG_IGN
            signal.signal(number, signal.SIG_IGN if ignored else server.handle_exit)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    finally:
        desk.clear(_GRACE)
        for number, handler in before.items():
            signal.signal(number, handler)
