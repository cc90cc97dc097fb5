"""Tables of a comparison, as text that any format can lay out; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from denoise_cli.errors import counted
from denoise_cli.evaluation.comparison.differences import Difference, differences_to_best
from denoise_cli.evaluation.comparison.results import Cell, Results
from denoise_cli.evaluation.report.sheet import NONE, Column, Group, Sheet, column_title, with_interval


def build_sheets(results: Results) -> list[Sheet]:
    """The tables of a comparison: scores, differences to the best, published values, cost."""
    rows = tuple(results.methods)
    published_rows = tuple(f"{row.method} (published)" for row in results.published)
    groups = tuple(_score_group(results, *column) for column in results.columns)
    sheets = [Sheet(_title(results), rows + published_rows, groups)]
    if any(cell.psnr is not None and cell.kind != "input" for cell in results.cells):
        sheets.append(
            Sheet(
                _difference_title(results),
                rows,
                tuple(_difference_group(results, *column) for column in results.columns),
            )
        )
    published = _published_sheet(results)
    sheets += [published] if published else []
    settings = _settings_sheet(results)
    sheets += [settings] if settings else []
    sheets += [_classifier_sheet(results)] if results.classifiers else []
    return [*sheets, _cost_sheet(results)]


def missing_notes(results: Results) -> list[str]:
    """One line per reason why cells have no scores, with the command that mends it, if one does."""
    reasons: dict[str, list[str]] = {}
    for cell in results.cells:
        if cell.missing and cell.missing not in reasons.setdefault(cell.make, []):
            reasons[cell.make].append(cell.missing)
    return [
        " ".join([*texts, f"Make them: {command}"] if command else texts)
        for command, texts in reasons.items()
    ]


def _title(results: Results) -> str:
    protocol = "paper protocol" if results.protocol == "paper" else "mean per image ± 95 % interval"
    return f"{results.dataset_name}, {counted(len(results.images), 'image')}: PSNR in dB and SSIM, {protocol}"


def _score_group(results: Results, batch_norm: bool | None, noise: str) -> Group:
    cells = [results.cell(method, batch_norm, noise) for method in results.methods]
    psnr = [with_interval(cell.psnr, cell.psnr_interval, 2) if cell else NONE for cell in cells]
    for place, cell in enumerate(cells):
        if cell is not None and cell.psnr_spread is not None:
            psnr[place] += f" (sd {cell.psnr_spread:.2f}, {len(cell.runs)} runs)"
    ssim = [with_interval(cell.ssim, cell.ssim_interval, 3) if cell else NONE for cell in cells]
    for row in results.published:
        psnr.append(with_interval(row.psnr.get(noise), None, 2))
        ssim.append(NONE)
    return Group(
        column_title(batch_norm, noise),
        (
            Column("PSNR", tuple(psnr), _best(cells, lambda cell: cell.psnr)),
            Column("SSIM", tuple(ssim), _best(cells, lambda cell: cell.ssim)),
        ),
    )


def _difference_group(results: Results, batch_norm: bool | None, noise: str) -> Group:
    differences = differences_to_best(results, batch_norm, noise)
    values = tuple(_signed(differences.get(method)) for method in results.methods)
    return Group(column_title(batch_norm, noise), (Column("Δ PSNR", values),))


def _published_sheet(results: Results) -> Sheet | None:
    groups = []
    for batch_norm, noise in results.columns:
        cells = [results.cell(method, batch_norm, noise) for method in results.methods]
        if any(cell and cell.published_psnr is not None for cell in cells):
            groups.append(_published_group(cells, column_title(batch_norm, noise)))
    if not groups:
        return None
    return Sheet("Published by the study, and ours minus published", tuple(results.methods), tuple(groups))


def _published_group(cells: Sequence[Cell | None], title: str) -> Group:
    columns = []
    for name, digits in (("psnr", 2), ("ssim", 3)):
        theirs, deltas = [], []
        for cell in cells:
            published = getattr(cell, f"published_{name}") if cell else None
            ours = getattr(cell, name) if cell else None
            theirs.append(NONE if published is None else f"{published:.{digits}f}")
            deltas.append(NONE if published is None or ours is None else f"{ours - published:+.{digits}f}")
        columns += [Column(name.upper(), tuple(theirs)), Column("ours minus", tuple(deltas))]
    return Group(title, tuple(columns))


def _settings_sheet(results: Results) -> Sheet | None:
    classical = [cell for cell in results.cells if cell.settings]
    if not classical:
        return None
    rows = tuple(dict.fromkeys(cell.method for cell in classical))
    groups = []
    for noise in dict.fromkeys(cell.noise for cell in classical):
        settings = {cell.method: cell.settings for cell in classical if cell.noise == noise}
        texts = tuple(
            ", ".join(f"{name} {value:g}" for name, value in settings.get(row, {}).items()) for row in rows
        )
        groups.append(Group("", (Column(noise, texts),)))
    return Sheet("Settings of the classical methods", rows, tuple(groups))


def _cost_sheet(results: Results) -> Sheet:
    parameters, operations, seconds = [], [], []
    for method in results.methods:
        cost = results.costs.get(method)
        parameters.append(f"{cost.parameters:,}" if cost else NONE)
        gflop = cost.gflop_per_megapixel if cost else None
        operations.append(NONE if gflop is None else f"{gflop:.1f}")
        times = [
            cell.seconds_per_megapixel
            for cell in results.cells
            if cell.method == method and cell.kind != "input" and cell.seconds_per_megapixel is not None
        ]
        seconds.append(f"{sorted(times)[len(times) // 2]:.2f}" if times else NONE)
    return Sheet(
        f"Cost per megapixel, on {results.device}",
        tuple(results.methods),
        (
            Group("", (Column("parameters", tuple(parameters)),)),
            Group("", (Column("GFLOP", tuple(operations)),)),
            Group("", (Column("seconds", tuple(seconds)),)),
        ),
    )


def _classifier_sheet(results: Results) -> Sheet:
    """Accuracy of the guiding classifiers, a row each."""
    guides = results.classifiers
    rows = tuple(f"{each.name}, {column_title(each.batch_norm, each.noise)}" for each in guides)
    accuracy = tuple(with_interval(each.accuracy, each.interval, 3) for each in guides)
    parameters = tuple(f"{each.parameters:,}" for each in guides)
    return Sheet(
        "Classifiers that guide, on the noisy images",
        rows,
        (Group("", (Column("parameters", parameters),)), Group("", (Column("accuracy", accuracy),))),
    )


def _best(cells: Sequence[Cell | None], value: Callable[[Cell], float | None]) -> frozenset[int]:
    found = {place: value(cell) for place, cell in enumerate(cells) if cell is not None}
    scored = {place: number for place, number in found.items() if number is not None}
    return frozenset([max(scored, key=lambda place: scored[place])] if scored else [])


def _difference_title(results: Results) -> str:
    protocol = "; mean per image, not by the paper protocol" if results.protocol == "paper" else ""
    return f"PSNR minus that of the best in the column, dB, image by image{protocol}"


def _signed(difference: Difference | None) -> str:
    if difference is None or difference.is_best:
        return "best" if difference else NONE
    sign = "+" if difference.mean > 0 else ""
    return sign + with_interval(difference.mean, difference.interval, 2)
