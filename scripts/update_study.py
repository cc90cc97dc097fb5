"""Bring docs/study.md up to date: its tables and figures from stored results of `denoise compare --all`.

    python scripts/update_study.py results/results.json --runs runs/study-stl10-part
    python scripts/update_study.py first/results.json second/results.json  # cells made one by one
    python scripts/update_study.py --cifar10 other/results.json    # the table at 32x32
    python scripts/update_study.py             # draw again from docs/study/*.json
    python scripts/update_study.py --check     # only compare the tables; exit 1 where they differ

What the page needs of the results is kept as docs/study/results.json and docs/study/cifar10.json; cells
that new results lack stay there where they are of the same images.
Pictures are drawn where --runs names the trained networks; they show photographs inside scikit-image,
never the data set's. A block `<!-- study: NAME -->` ... `<!-- end -->` of the page is made anew.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from study_figures import BARS, PICTURES, SETTINGS, draw_bars, draw_pictures

from denoise_cli.evaluation.comparison.differences import differences_to_best
from denoise_cli.evaluation.comparison.published import STUDY_ACCURACY, STUDY_SCORES
from denoise_cli.evaluation.comparison.results import Cell, Results, read_results
from denoise_cli.evaluation.report.sheet import column_title
from denoise_cli.files import atomic_write_path, write_atomic
from denoise_cli.models.registry import CLASSIFIERS, STUDY_MODELS

PAGE = Path(__file__).parents[1] / "docs" / "study.md"
BLOCK = re.compile(r"(<!-- study: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
MISSING = "not run yet"
Stored = Mapping[str, Any]
_CAPTIONS = {
    "figure-1": "Figure 1. PSNR and SSIM of the plain networks",
    "figure-5": "Figure 5. The U-Net alone and guided by a classifier",
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="*", help="of `denoise compare --all --protocol paper`")
    parser.add_argument(
        "--cifar10", type=Path, nargs="*", default=[], help="results of the same grid on CIFAR-10"
    )
    parser.add_argument("--runs", type=Path, help="folder of the trained networks, to draw pictures")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args(argv)
    page: Path = arguments.page
    folder = page.parent / page.stem
    if not arguments.check:
        for given, name in ((arguments.results, "results"), (arguments.cifar10, "cifar10")):
            for path in given:
                kept = merged(read_stored(folder / f"{name}.json"), stripped(read_results(path)))
                write_atomic(folder / f"{name}.json", f"{json.dumps(kept, indent=1)}\n".encode())
        draw_figures(folder, arguments.runs)
    text = page.read_text(encoding="utf-8")
    fresh = with_blocks(text, folder)
    if arguments.check:
        raise SystemExit(0 if fresh == text else f"{page}: run scripts/update_study.py, the results changed")
    write_atomic(page, fresh.encode())


def stripped(results: Results) -> dict[str, Any]:
    """What the page needs: scores, and differences image by image, but no image's own score or picture."""
    gaps = {column: differences_to_best(results, *column) for column in results.columns}
    return {
        "dataset": results.dataset_name,
        "images": len(results.images),
        "protocol": results.protocol,
        "seed": results.seed,
        "device": results.device,
        "date": results.date,
        "versions": results.versions,
        "parameters": {name: cost.parameters for name, cost in results.costs.items()},
        "cells": [_stripped_cell(cell, gaps) for cell in results.cells if cell.psnr is not None],
        "classifiers": [each.model_dump(exclude={"weights", "sha256"}) for each in results.classifiers],
    }


def merged(old: Stored, new: Stored) -> Stored:
    """New results, with the cells and classifiers that only the old ones have, if of the same images."""
    if any(old.get(key) != new[key] for key in ("dataset", "images", "protocol", "seed")):
        return new
    fresh, known = _by_key(new), {_key(each) for each in new["classifiers"]}
    cells = [cell for key, cell in _by_key(old).items() if key not in fresh]
    if not cells:
        return new
    # Not scored together, so image by image there is no difference; that of the means remains.
    joined = [dict(cell) for cell in (*cells, *new["cells"])]
    for cell in joined:
        others = [
            each["psnr"] for each in joined if each["kind"] == "model" and _column(each) == _column(cell)
        ]
        cell["to_best"] = [cell["psnr"] - max(others)] if cell["kind"] == "model" else None
    classifiers = [each for each in old["classifiers"] if _key(each) not in known]
    dates = sorted(filter(None, (old.get("since"), old["date"], new["date"])))
    return {
        **new,
        **({"since": dates[0], "date": dates[-1]} if dates else {}),
        "parameters": {**old["parameters"], **new["parameters"]},
        "cells": joined,
        "classifiers": [*classifiers, *new["classifiers"]],
    }


def _column(cell: Stored) -> tuple[bool, str]:
    return cell["batch_norm"], cell["noise"]


def _key(each: Stored) -> tuple[str, bool, str]:
    return each["name"], *_column(each)


def _stripped_cell(cell: Cell, gaps: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    gap = gaps.get((cell.batch_norm, cell.noise), {}).get(cell.method)
    return {
        **cell.model_dump(include={"method", "kind", "batch_norm", "noise", "psnr", "ssim", "psnr_spread"}),
        "seeds": len(cell.runs),
        "to_best": None if gap is None else [gap.mean, *(gap.interval or ())],
    }


def draw_figures(folder: Path, runs: Path | None) -> None:
    """The bars, and the pictures where there are runs to draw them."""
    stored = read_stored(folder / "results.json")
    folder.mkdir(parents=True, exist_ok=True)
    figures = [(f"{name}.png", draw_bars(stored["cells"], models)) for name, models in BARS.items()]
    if runs is not None:
        figures += [(f"{name}.jpg", figure) for name, figure in draw_pictures(runs)]
    for name, figure in figures:
        with atomic_write_path(folder / name) as path:
            figure.savefig(path, dpi=110)


def read_stored(path: Path) -> Stored:
    """Results as `stripped` gives them; empty ones where the file is not there yet."""
    if not path.is_file():
        return {"cells": [], "classifiers": []}
    stored: Stored = json.loads(path.read_bytes())
    return stored


def with_blocks(text: str, folder: Path) -> str:
    """A page with its blocks made anew from what is stored in `folder`."""
    study, cifar10 = (read_stored(folder / f"{name}.json") for name in ("results", "cifar10"))
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "facts": partial(facts, study),
        "table 1": partial(classifier_table, study),
        "table 2": partial(network_table, study),
        "differences": partial(difference_table, study),
        "bars": partial(_bars, folder),
        "pictures": partial(_pictures, folder),
        "cifar10": partial(cifar10_table, cifar10),
    }
    return BLOCK.sub(lambda match: match[1] + "\n".join([*makers[match[2]](), ""]) + match[3], text)


def facts(stored: Stored) -> Iterator[str]:
    if not stored["cells"]:
        yield "No results are stored yet."
        return
    versions = ", ".join(f"{name} {number}" for name, number in stored["versions"].items())
    first, last = ((stored.get(key) or "")[:10] for key in ("since", "date"))
    date = f" from {first} to {last}" if first and first != last else f" on {last}" if last else ""
    where = f" ({stored['device']})" if stored["device"] else ""
    more = f"; {versions}" if versions else ""
    yield f"{stored['images']} images of {stored['dataset']}, scored{date}{where}{more}."


def classifier_table(stored: Stored) -> Iterator[str]:
    """Table 1: both classifiers, with the accuracy that the study published."""
    found = {(each["name"], each["batch_norm"], each["noise"]): each for each in stored["classifiers"]}
    yield "| classifier | setting | parameters | published accuracy | ours, with 95 % interval | difference |"
    yield "|---|---|---:|---:|---:|---:|"
    for name in CLASSIFIERS.own:
        for batch_norm, noise in SETTINGS:
            each = found.get((name, batch_norm, noise))
            published = STUDY_ACCURACY.get(name) if (batch_norm, noise) == (True, "basic") else None
            theirs = "–" if published is None else f"{published:.4f}"
            cells = [f"`{name}`", column_title(batch_norm, noise)]
            if each is None:
                yield _row([*cells, "–", theirs, MISSING, "–"])
                continue
            ours = "{:.4f} ({:.3f} to {:.3f})".format(each["accuracy"], *each["interval"])
            gap = "–" if published is None else f"{each['accuracy'] - published:+.4f}"
            yield _row([*cells, f"{each['parameters']:,}", theirs, ours, gap])


def network_table(stored: Stored) -> Iterator[str]:
    """Table 2: five models under three settings, and the one that the study left out."""
    found = _by_key(stored)
    yield "| model | setting | published PSNR / SSIM | ours | difference |"
    yield "|---|---|---:|---:|---:|"
    for name in STUDY_MODELS:
        for batch_norm, noise in SETTINGS:
            published, cell = (
                STUDY_SCORES.get((name, batch_norm, noise)),
                found.get((name, batch_norm, noise)),
            )
            theirs = "not run" if published is None else "{:.2f} / {:.3f}".format(*published)
            gap = "–"
            if published and cell:
                gap = f"{cell['psnr'] - published[0]:+.2f} / {cell['ssim'] - published[1]:+.3f}"
            yield _row([f"`{name}`", column_title(batch_norm, noise), theirs, _scores(cell), gap])


def difference_table(stored: Stored) -> Iterator[str]:
    """PSNR minus that of the best of the same column, image by image."""
    found = _by_key(stored)
    yield f"| | {' | '.join(column_title(*setting) for setting in SETTINGS)} |"
    yield f"|---|{'---:|' * len(SETTINGS)}"
    for name in STUDY_MODELS:
        gaps = [_gap(found.get((name, *setting))) for setting in SETTINGS]
        yield _row([f"`{name}`", *gaps])


def cifar10_table(stored: Stored) -> Iterator[str]:
    """The same grid at 32x32."""
    found = _by_key(stored)
    if found:
        images = f"{stored['images']} images of {stored['dataset']}"
        yield f"PSNR / SSIM on {images}, {stored['protocol']} protocol:"
        yield ""
    yield f"| model | {' | '.join(column_title(*setting) for setting in SETTINGS)} |"
    yield f"|---|{'---:|' * len(SETTINGS)}"
    for name in STUDY_MODELS:
        yield _row([f"`{name}`", *(_scores(found.get((name, *setting))) for setting in SETTINGS)])


def _bars(folder: Path) -> Iterator[str]:
    for name in BARS:
        yield from _figure(folder, f"{name}.png", _CAPTIONS[name])


def _pictures(folder: Path) -> Iterator[str]:
    for name, model in PICTURES.items():
        number = name.split("-")[1]
        yield from _figure(folder, f"{name}.jpg", f"Figure {number}. {model}: its settings as rows")


def _figure(folder: Path, file: str, caption: str) -> Iterator[str]:
    there = (folder / file).is_file()
    yield f"![{caption}]({folder.name}/{file})" if there else f"{caption}: not drawn yet."
    yield ""


def _by_key(stored: Stored) -> dict[tuple[str, bool, str], Stored]:
    return {(cell["method"], cell["batch_norm"], cell["noise"]): cell for cell in stored["cells"]}


def _scores(cell: Stored | None) -> str:
    if cell is None:
        return MISSING
    text = f"{cell['psnr']:.2f} / {cell['ssim']:.3f}"
    if cell["psnr_spread"] is not None:
        text += f" (sd {cell['psnr_spread']:.2f} dB, {cell['seeds']} seeds)"
    return text


def _gap(cell: Stored | None) -> str:
    if cell is None:
        return MISSING
    mean, *interval = cell["to_best"] or [None]
    if mean is None:
        return "–"
    return (
        f"{mean:+.2f} ±{(interval[1] - interval[0]) / 2:.2f}"
        if interval
        else "best"
        if mean == 0
        else f"{mean:+.2f}"
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
