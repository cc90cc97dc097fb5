"""Say what became of each photo of a batch, and of all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoise_cli.cli.console import console
from denoise_cli.errors import DenoiseError, DiskFull, OutputExists

if TYPE_CHECKING:
    from denoise_cli.photo.denoise_batch import Outcome
    from denoise_cli.photo.denoise_file import DenoiseResult
    from denoise_cli.photo.files.paths import Item

_REPLACE_OR_SKIP = "Add --skip-existing to leave out photos that are done, or --overwrite to replace results."


@dataclass(frozen=True, slots=True)
class Extras:
    """Optional outputs: scores against a clean picture, a comparison, JSON."""

    reference: Path | None = None
    side_by_side: bool = False
    json: bool = False


class PhotoReport:
    """Prints a line, or JSON, for each photo; then the sum.

    Args:
        total: Number of photos that were asked for and not skipped.
        shown: What the result is called, where that is not its file.
    """

    def __init__(self, extras: Extras, total: int, shown: str = "") -> None:
        self._extras, self._total, self._shown = extras, total, shown
        self._start = time.perf_counter()
        self._reached = self._done = self._skipped = 0
        self._existing: list[Item] = []
        self._errors: list[DenoiseError] = []
        self._megapixels = 0.0

    def add(self, outcome: Outcome) -> None:
        """Report on one photo."""
        result, error = outcome.result, outcome.error
        self._reached += 1
        if result is not None:
            self._done += error is None
            self._megapixels += result.photo.width * result.photo.height / 1e6
            _describe(outcome.item, result, self._shown)
            if outcome.scores is not None:
                _describe_scores(outcome.scores)
        elif error is None:
            self._skipped += 1
        if isinstance(error, OutputExists) and self._total > 1:
            self._existing.append(outcome.item)
        elif error is not None:
            self._errors.append(error)
            # A full disk ends the batch, so it is the error of all of it.
            if self._total > 1 and not isinstance(error, DiskFull):
                console.note(f"Failed: {_with_name(outcome.item, error)}")
        self._print(outcome)

    def add_skipped(self, item: Item) -> None:
        """Report on a photo that was left out because its result exists, as was asked."""
        from denoise_cli.photo.denoise_batch import Outcome

        self._skipped += 1
        self._print(Outcome(item))

    def add_existing(self, item: Item) -> None:
        """Report on a photo that was left out because its result exists, which was not asked for."""
        from denoise_cli.photo.denoise_batch import Outcome
        from denoise_cli.photo.files.paths import exists_already

        self.add(Outcome(item, error=exists_already(item.output)))

    def finish(self, several: bool) -> None:
        """Sum up, and raise `DenoiseError` if a photo failed."""
        if several:
            counts = f"{self._done} done, {self._skipped} skipped, {len(self._errors)} failed"
            if self._existing:
                counts += f", {len(self._existing)} there already"
            if left := self._total - self._reached:
                counts += f", {left} not reached"
            seconds = time.perf_counter() - self._start
            console.note(f"{counts}; {self._megapixels:.1f} megapixels in {seconds:.1f} s.")
        if self._errors and (self._total == 1 or isinstance(self._errors[-1], DiskFull)):
            raise self._errors[-1]
        if self._existing:
            exist = "result exists" if len(self._existing) == 1 else "results exist"
            text = f"{len(self._existing)} {exist} already."
            if not self._errors:
                raise OutputExists(text, _REPLACE_OR_SKIP)
            console.note(f"{text} {_REPLACE_OR_SKIP}")
        if self._errors:
            hints = dict.fromkeys(error.hint for error in self._errors if error.hint)
            raise DenoiseError(
                f"{len(self._errors)} of {self._total} photos could not be denoised; see above.",
                " ".join(hints),
            )

    def _print(self, outcome: Outcome) -> None:
        if not self._extras.json:
            return
        from denoise_cli.photo.files.formats import show

        item, result = outcome.item, outcome.result
        row: dict[str, Any] = {"input": show(item.source), "output": show(item.output), "status": "skipped"}
        if result is not None:
            row |= {"status": "done", **_facts(result), **(outcome.scores or {})}
        if outcome.comparison is not None:
            row["comparison"] = show(outcome.comparison)
        if outcome.error is not None:
            row |= {"status": "failed", "error": str(outcome.error)}
        console.json(row)


def _with_name(item: Item, error: DenoiseError) -> str:
    """A photo's name and what went wrong, without the name twice."""
    from denoise_cli.photo.files.formats import show

    name = show(item.source)
    reason = str(error)
    if reason.startswith(name):
        reason = reason[len(name) :].lstrip(": ").removeprefix("is ")
    return f"{name}: {reason}"


def _facts(result: DenoiseResult) -> dict[str, Any]:
    photo, noise = result.photo, result.noise
    return {
        "width": photo.width,
        "height": photo.height,
        "sigma": [round(value, 5) for value in noise.sigma],
        "luma_sigma": round(noise.luma, 5),
        "chroma_sigma": round(noise.chroma, 5),
        "coarse": noise.coarse,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
    }


def _describe(item: Item, result: DenoiseResult, shown: str) -> None:
    from denoise_cli.photo.files.formats import show

    output = shown or show(item.output)
    console.note(f"{show(item.source)} -> {output}  (noise {result.noise.text}; {result.seconds:.1f} s)")
    for note in result.notes:
        console.note(f"  Note: {note}.")


def _describe_scores(scores: dict[str, float]) -> None:
    console.note(
        f"  PSNR {scores['psnr_before']:.2f} -> {scores['psnr_after']:.2f} dB, "
        f"SSIM {scores['ssim_before']:.4f} -> {scores['ssim_after']:.4f}"
    )
