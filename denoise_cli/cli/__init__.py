"""The command line: the only rooms that parse arguments and print."""
