"""All architectures by name, without importing torch.

The commands list, check and plan with their entries; `build_denoiser` and `build_classifier` of
`denoise_cli.models` turn an entry into a `torch.nn.Module`. Other packages add entries by the
entry-point group `denoise_cli.models`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module

from denoise_cli.errors import UnknownName
from denoise_cli.models.info import Kind, ModelInfo
from denoise_cli.models.plugins import find_plugins

# Folders beside this file, in the order of tables: a new architecture is one line.
_FOLDERS = (
    "cnn",
    "cae",
    "unet",
    "cnn_unet",
    "resnet_unet",
    "photo_unet",
    "classifiers.cnn",
    "classifiers.resnet",
)
_OWN: tuple[ModelInfo, ...] = tuple(import_module(f"denoise_cli.models.{folder}").INFO for folder in _FOLDERS)


class Registry(Mapping[str, ModelInfo]):
    """The architectures of one kind by name: this program's, then those of other packages.

    Other packages are asked only for a name that is not one of ours, or for all names.

    Attributes:
        own: This program's architectures.
        default: Name of the one to take where none is named.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.own = {info.name: info for info in _OWN if info.kind == kind}
        (self.default,) = (name for name, info in self.own.items() if info.is_default)

    def __getitem__(self, name: str) -> ModelInfo:
        return self.own[name] if name in self.own else self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, ModelInfo]:
        return self.own | {info.name: info for info in _plugins() if info.kind == self.kind}


@cache
def _plugins() -> tuple[ModelInfo, ...]:
    return find_plugins(_OWN)


DENOISERS = Registry("denoiser")
CLASSIFIERS = Registry("classifier")
DEFAULT_MODEL = DENOISERS.default
# The reference study's denoisers, in its order: what `denoise compare` shows by default.
STUDY_MODELS = tuple(info.name for info in DENOISERS.own.values() if info.in_study)


def denoiser_info(name: str) -> ModelInfo:
    """Return the entry of a denoiser; raises `UnknownName` with the nearest names."""
    return _find(DENOISERS, name, "model")


def uses_batch_norm(name: str, wanted: bool) -> bool:
    """The batch-norm setting of a denoiser where `wanted` is asked for."""
    return wanted and denoiser_info(name).batch_norm


def classifier_info(name: str) -> ModelInfo:
    """Return the entry of a classifier; raises `UnknownName` with the nearest names."""
    return _find(CLASSIFIERS, name, "classifier")


def guided_names() -> list[str]:
    """This program's denoisers that a classifier guides."""
    return [info.name for info in DENOISERS.own.values() if info.classifier is not None]


def unguided(name: str) -> str:
    """The unguided form of a guided denoiser; raises `ValueError` for any other."""
    plain = denoiser_info(name).unguided
    if plain is None:
        raise ValueError(f"{name} is not guided")
    return plain


def unguided_by(classifier: str) -> str:
    """The unguided form of the denoiser that a classifier guides; the default denoiser if it guides none."""
    plain = (info.unguided for info in DENOISERS.own.values() if info.classifier == classifier)
    return next(plain, None) or DENOISERS.default


def either(names: Iterable[str]) -> str:
    """Names for a sentence: `a`, `a or b`, `a, b or c`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _find(entries: Registry, name: str, what: str) -> ModelInfo:
    if name not in entries:
        letters = letters_of(name)
        same = next((known for known in entries if letters_of(known) == letters), None)
        if same is None:
            raise UnknownName(what, name, list(entries))
        name = same
    return entries[name]


def letters_of(name: str) -> str:
    """A name without case and hyphens: `U-Net` and `unet` are one."""
    return name.lower().replace("-", "").replace("_", "")
