"""Bring the README up to date: the weights table from the cards, and each example's real output.

    python scripts/update_readme.py            # rewrite both
    python scripts/update_readme.py --check    # only compare the table; exit 1 where it differs

A block below `<!-- run -->` begins with `$ command`; the rest of it is replaced by what the
command prints, standard error included.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from denoise_cli.evaluation.published import STUDY, awgn_rows
from denoise_cli.weights.store import list_bundled
from denoise_cli.weights.test_sets import TEST_SETS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TABLE = re.compile(r"(<!-- weights -->\n).*?(<!-- end of weights -->)", re.DOTALL)
EXAMPLE = re.compile(r"(<!-- run -->\n```console\n\$ )(.*?)\n(.*?)(```)", re.DOTALL)

# Peers on CBSD68, as their papers say: what they are told, and their size.
PEERS = {
    "DnCNN": ("one network per σ", "0.67 M"),
    "FFDNet": ("σ given", "0.85 M"),
    "DRUNet": ("σ given", "32.6 M"),
    "CBM3D": ("σ given", "–"),
}
# What `benchmarks/costs.py` measured.
MEASURED = ROOT / "docs" / "peers.json"
CLASSICAL = {"tv": "total variation (scikit-image)", "nlm": "non-local means (scikit-image)"}
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


def weights_table() -> str:
    """The Markdown table of all bundled weights, the study and the peers."""
    titles = [TITLES[noise] for _, noise in COLUMNS]
    head = ["weights", "parameters", "s/MP", *titles, "study, basic / intense"]
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    measured = json.loads(MEASURED.read_text())
    for entry in list_bundled():
        card = entry.card
        study = [STUDY.get((card["model"], card["batch_norm"], noise)) for noise in ("basic", "intense")]
        published = " / ".join("–" if cell is None else f"{cell[0]:.2f}" for cell in study)
        lines.append(
            _row(
                [
                    f"`{entry.name}`",
                    f"{card['parameters'] / 1e6:.2f} M",
                    _cost(measured, entry.name),
                    *map(_score(card["scores"]), COLUMNS),
                    published,
                ]
            )
        )
    for name, (told, parameters) in PEERS.items():
        rows = [{"set": "CBSD68", "noise": n, "psnr": v} for n, v in awgn_rows("cbsd68")[name].items()]
        scores = map(_score(rows), COLUMNS)
        lines.append(_row([f"{name}, {told}", parameters, _cost(measured, name), *scores, "–"]))
    for name, title in CLASSICAL.items():
        scores = map(_score(measured["classical"][name]), COLUMNS)
        lines.append(_row([f"{title}, tuned by σ", "–", _cost(measured, name), *scores, "–"]))
    return "\n".join(lines) + "\n"


def _cost(measured: dict[str, Any], name: str) -> str:
    return f"{measured['seconds'][name]:.2f}" if name in measured["seconds"] else "–"


def _score(scores: list[dict[str, Any]]) -> Any:
    rows = {(row["set"], row["noise"]): row["psnr"] for row in scores}
    return lambda column: f"{rows[column]:.2f}" if column in rows else "–"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def output_of(command: str) -> str:
    """What a command prints, at 100 columns, without trailing blanks."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
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


def main() -> None:
    text = README.read_text()
    fresh = TABLE.sub(lambda m: m[1] + weights_table() + m[2], text)
    if "--check" in sys.argv:
        raise SystemExit(
            0 if fresh == text else "README.md: run scripts/update_readme.py, the cards have changed"
        )
    fresh = EXAMPLE.sub(lambda m: f"{m[1]}{m[2]}\n{output_of(m[2])}\n{m[4]}", fresh)
    README.write_text(fresh)


if __name__ == "__main__":
    main()
