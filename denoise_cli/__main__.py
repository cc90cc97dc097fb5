"""`python -m denoise_cli`."""

from denoise_cli.cli.app import main

if __name__ == "__main__":
    main()
