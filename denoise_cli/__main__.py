"""Entry point of the console script, and of `python -m denoise_cli`."""

import signal


def main() -> None:
    """Run the program; Ctrl-C before a command begins, and after its end, ends it without a word."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from denoise_cli.cli.streams import open_missing_streams

    open_missing_streams()
    from denoise_cli.cli.app import app
    from denoise_cli.cli.signals import leave_if_launched

    try:
        app()
    except SystemExit as ending:
        leave_if_launched(ending)
        raise


if __name__ == "__main__":
    main()
