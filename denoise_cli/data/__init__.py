"""Data sets: each becomes one in-memory `ImageSource`."""
