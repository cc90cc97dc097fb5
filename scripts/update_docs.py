"""Bring README.md and docs/ up to date: tables from the weights' cards, the commands' help, examples' output.

    python scripts/update_docs.py            # rewrite all of it
    python scripts/update_docs.py --check    # only compare tables and help; exit 1 where they differ

A block below `<!-- run -->` begins with `$ command`; the rest of it is replaced by what the
command prints, standard error included. The commands of a page run one after another in the
folder of this checkout.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from denoise_cli.evaluation.comparison.published import STUDY_SCORES, awgn_rows
from denoise_cli.weights.store import list_bundled
from denoise_cli.weights.test_sets import TEST_SETS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PART = re.compile(r"(<!-- (weights|small weights|help) -->\n).*?(<!-- end -->)", re.DOTALL)
EXAMPLE = re.compile(r"(<!-- run -->\n```console\n\$ )(.*?)\n(.*?)(```)", re.DOTALL)
# The commands in the order in which people meet them.
COMMANDS = ("denoise-image", "train", "test", "classify", "compare", "models", "runs", "export")

# Peers on CBSD68, as their papers say: what they are told, and their size.
PEERS = {
    "DnCNN": ("one network per σ", "0.67 M"),
    "FFDNet": ("σ given", "0.85 M"),
    "DRUNet": ("σ given", "32.6 M"),
    "CBM3D": ("σ given", "–"),
}
# What `benchmarks/costs.py` measured.
MEASURED = ROOT / "docs" / "peers.json"
CLASSICAL = {
    "opencv nlm": "non-local means (OpenCV)",
    "tv": "total variation (scikit-image)",
    "nlm": "non-local means (scikit-image)",
}
COLUMNS = tuple((each.name, noise) for each in TEST_SETS if each.folder for noise in each.noises)
TITLES = {
    "real": "real",
    "awgn:15": "σ 15",
    "awgn:25": "σ 25",
    "awgn:50": "σ 50",
    "gaussian:0": "clean",
    "basic": "`basic`",
    "intense": "`intense`",
}
SMALL = ("photo_unet", "unet-bn", "cnn_unet-bn", "DnCNN", "opencv nlm", "nlm")


def weights_table() -> str:
    """The Markdown table of all bundled weights, the study and the peers."""
    titles = [TITLES[noise] for _, noise in COLUMNS]
    lines = [_row(["weights", "parameters", "s/MP", *titles, "study, basic / intense"])]
    lines.append(_row(["---", *["---:"] * (len(titles) + 3)]))
    return "\n".join([*lines, *(_row(cells) for _, cells in _rows())]) + "\n"


def small_table() -> str:
    """The few rows and columns that the README has room for."""
    head = ["", "parameters", "s/MP", *(TITLES[noise] for _, noise in COLUMNS)]
    rows = dict(_rows())
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    return "\n".join([*lines, *(_row(rows[name][:-1]) for name in SMALL if name in rows)]) + "\n"


def _rows() -> Iterable[tuple[str, list[str]]]:
    """The cells of each row of the table, by name."""
    measured = json.loads(MEASURED.read_text())
    for entry in list_bundled():
        card = entry.card
        study = [STUDY_SCORES.get((card.model, card.batch_norm, noise)) for noise in ("basic", "intense")]
        published = " / ".join("–" if row is None else f"{row[0]:.2f}" for row in study)
        size = f"{card.parameters / 1e6:.2f} M"
        scores = map(_score([row.model_dump() for row in card.scores]), COLUMNS)
        yield entry.name, [f"`{entry.name}`", size, _cost(measured, entry.name), *scores, published]
    for name, (told, parameters) in PEERS.items():
        rows = [{"set": "CBSD68", "noise": n, "psnr": v} for n, v in awgn_rows("cbsd68")[name].items()]
        scores = map(_score(rows), COLUMNS)
        yield name, [f"{name}, {told}", parameters, _cost(measured, name), *scores, "–"]
    for name, title in CLASSICAL.items():
        if name in measured["classical"]:
            scores = map(_score(measured["classical"][name]), COLUMNS)
            yield name, [f"{title}, tuned", "–", _cost(measured, name), *scores, "–"]


def help_texts() -> str:
    """The help of the program and of each command."""
    parts = [f"```text\n{output_of('denoise --help')}\n```"]
    parts += [f"## {name}\n\n```text\n{output_of(f'denoise {name} --help')}\n```" for name in COMMANDS]
    return "\n\n".join(parts) + "\n"


def _cost(measured: dict[str, Any], name: str) -> str:
    return f"{measured['seconds'][name]:.2f}" if name in measured["seconds"] else "–"


def _score(scores: list[dict[str, Any]]) -> Callable[[tuple[str, str]], str]:
    rows = {(row["set"], row["noise"]): row["psnr"] for row in scores}
    return lambda column: f"{rows[column]:.2f}" if column in rows else "–"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def output_of(command: str) -> str:
    """What a command prints, at 100 columns, without trailing blanks."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command} exited with {done.returncode}:\n{done.stdout}")
    return "\n".join(line.rstrip() for line in done.stdout.replace(str(ROOT) + "/", "").strip().splitlines())


MAKERS = {"weights": weights_table, "small weights": small_table, "help": help_texts}


def with_parts(text: str) -> str:
    """A page with its generated parts made anew."""
    return PART.sub(lambda match: f"{match[1]}{MAKERS[match[2]]()}{match[3]}", text)


def main() -> None:
    pages = {page: page.read_text() for page in PAGES}
    fresh = {page: with_parts(text) for page, text in pages.items()}
    if "--check" in sys.argv:
        stale = [page.relative_to(ROOT) for page in PAGES if fresh[page] != pages[page]]
        if stale:
            names = ", ".join(map(str, stale))
            raise SystemExit(f"Not up to date: {names}; run scripts/update_docs.py.")
        return
    for page, text in fresh.items():
        page.write_text(EXAMPLE.sub(lambda m: f"{m[1]}{m[2]}\n{output_of(m[2])}\n{m[4]}", text))


if __name__ == "__main__":
    main()
