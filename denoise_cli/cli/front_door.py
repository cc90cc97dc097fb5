"""Other spellings of commands and options."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from denoise_cli.errors import UnknownName

# Other words for a command; `help` and `version` are options of the program.
_WORDS = {"image": "denoise-image", "photo": "denoise-image", "denoise": "denoise-image"}
_PICTURES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".webp", ".avif", ".heic", ".heif", ".bmp"}
)


def as_written_today(name: str) -> str:
    """An option's or a command's name as help shows it: `batch_size`, and `out` of earlier versions."""
    return "output" if name == "out" else name.replace("_", "-")


def with_command(args: Sequence[str], commands: Collection[str]) -> list[str]:
    """The arguments with the command that they mean.

    A photo alone is denoised, also behind options; `help` and `version` are words for options.

    Raises:
        UnknownName: The first word is neither a command nor a photo.
    """
    if not args or not args[0]:
        return list(args)
    first = args[0]
    word = first.lower().replace("_", "-")
    if word in commands:
        return [word, *args[1:]]
    if word in {"help", "version"}:
        return _asked(word, args[1:], commands)
    if _is_photo(first) or (first.startswith("-") and _names_photo_before_commands(args, commands)):
        return ["denoise-image", *args]
    if first.startswith("-"):
        return list(args)
    if word in _WORDS:
        return [_WORDS[word], *args[1:]]
    raise UnknownName("command", first, sorted(commands))


def _asked(word: str, rest: Sequence[str], commands: Collection[str]) -> list[str]:
    if word == "version" or not rest:
        return [f"--{word}"]
    return [with_command(rest[:1], commands)[0], "--help"]


def _is_photo(text: str) -> bool:
    if text == "-":
        return True
    path = Path(text)
    return not text.startswith("-") and (path.suffix.lower() in _PICTURES or path.is_dir())


def _names_photo_before_commands(args: Sequence[str], commands: Collection[str]) -> bool:
    for text in args:
        if text in commands:
            return False
        if _is_photo(text):
            return True
    return False
