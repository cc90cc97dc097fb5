"""Entry point of the console script, and of `python -m denoise_cli`."""

import signal


def main() -> None:
    """Run the program; Ctrl-C while its parts are still loading ends it without a word."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from denoise_cli.cli.app import app

    signal.signal(signal.SIGINT, before)
    app()


if __name__ == "__main__":
    main()
