"""Entry point of the console script, and of `python -m denoise_cli`."""

import signal


def main() -> None:
    """Run the program; Ctrl-C while its parts are loading, or at its end, ends it without a word."""
    before = signal.getsignal(signal.SIGINT)
    _end_silently()
    from denoise_cli.cli.streams import open_missing_streams

    open_missing_streams()
    from denoise_cli.cli.app import app

    signal.signal(signal.SIGINT, before)
    try:
        app()
    finally:
        _end_silently()


def _end_silently() -> None:
    """Let Ctrl-C end the process as it is, unless it is ignored, as in the background of a script."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
