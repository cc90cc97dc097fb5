"""The shapes that the tensors of a weight file must have; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import safe_open

from denoise_cli.errors import WeightsError
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS
from denoise_cli.weights.header import WeightsHeader, read_header
from denoise_cli.weights.store import list_bundled
from denoise_cli.weights.tensors import Array, read_tensors

Shape = tuple[int, ...]
_GUIDE = "classifier."
_WRAPPER = "module."


def read_fitting(path: Path, architecture: WeightsHeader) -> dict[str, Array]:
    """The tensors of a weight file whose header gave `architecture`; errors as of the two steps."""
    tensors = read_tensors(path)
    check_shapes(path, architecture, {name: value.shape for name, value in tensors.items()})
    return tensors


def check_shapes(path: Path, architecture: WeightsHeader, found: Mapping[str, Shape]) -> None:
    """Compare a file's tensors with the bundled file of its architecture, without building the network.

    Sides that count classes or cells of the guidance's grid are those of the header, so that what
    it claims is in proportion to the file. Architectures of other packages have no such file.

    Raises:
        WeightsError: A tensor is missing, of no use or of another shape; names it.
    """
    bundled = _bundled_like(architecture)
    if bundled is None:
        return
    known = read_header(bundled)
    wanted = _shapes_in(bundled)
    if architecture.kind == "classifier":
        wanted = {key.removeprefix(_GUIDE): v for key, v in wanted.items() if key.startswith(_GUIDE)}
    elif architecture.injection != known.injection or architecture.guidance == "features":
        # Other guidance enters by other layers; the classifier is the same.
        wanted, found = (
            {key: shape for key, shape in shapes.items() if key.startswith(_GUIDE)}
            for shapes in (wanted, found)
        )
    cells, known_cells = ((each.image_size // 8) ** 2 for each in (architecture, known))

    def fits(side: int, wanted_side: int) -> bool:
        if wanted_side == len(known.classes) and side == len(architecture.classes):
            return True
        scaled = wanted_side % known_cells == 0 and side == wanted_side // known_cells * cells
        return side == wanted_side or scaled

    compare_shapes(path, architecture.name, found, wanted, fits)


def compare_shapes(
    path: Path,
    name: str,
    found: Mapping[str, Shape],
    wanted: Mapping[str, Shape],
    fits: Callable[[int, int], bool] = int.__eq__,
) -> None:
    """Refuse tensors that are not those of the network called `name`.

    Args:
        found, wanted: Shapes by the tensors' names.
        fits: Whether a side of the first does for one of the second.

    Raises:
        WeightsError: Names the first tensor that is wrong.
    """
    problem = f"{path} does not fit the architecture it names ({name}): "
    if found and all(key.startswith(_WRAPPER) for key in found):
        raise WeightsError(
            f"{problem}its tensors are called {next(iter(found))} and so on, as DataParallel wraps them.",
            "Save the state of model.module, or take `module.` off the names.",
        )
    for key, shape in wanted.items():
        if key not in found:
            raise WeightsError(f"{problem}it has no tensor {key}.")
        same = len(found[key]) == len(shape) and all(map(fits, found[key], shape))
        if not same:
            raise WeightsError(f"{problem}{key} has the shape {_show(found[key])}, not {_show(shape)}.")
    extra = next((key for key in found if key not in wanted), None)
    if extra is not None:
        raise WeightsError(f"{problem}it has a tensor {extra[:100]}, which the network lacks.")


def _bundled_like(architecture: WeightsHeader) -> Path | None:
    """The bundled file of the same network, or of one that the same classifier guides."""
    is_classifier = architecture.kind == "classifier"
    own = (CLASSIFIERS if is_classifier else DENOISERS).own
    if architecture.name not in own:
        return None
    for entry in list_bundled():
        header = read_header(entry.path)
        name = DENOISERS.own[header.name].classifier if is_classifier else header.name
        setting = header.batch_norm == architecture.batch_norm or not own[architecture.name].batch_norm
        if name == architecture.name and setting:
            return entry.path
    return None


def _shapes_in(path: Path) -> dict[str, Shape]:
    with safe_open(path, "numpy") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _show(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "of one number"
