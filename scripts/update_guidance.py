"""Bring docs/guidance.md up to date: its tables and figures from the stored per-image results.

    python scripts/update_guidance.py            # rewrite the tables and docs/guidance*.png
    python scripts/update_guidance.py --check    # only compare the tables; exit 1 where they differ

A block `<!-- results: NAME.json -->` ... `<!-- end of results -->` of the page holds what is made
from the file NAME.json beside it, which `denoise compare --guidance ... -o docs/NAME.json` writes;
its figures are NAME-*.png. --page names another page.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from denoise_cli.evaluation.guidance.chart import draw_gains
from denoise_cli.evaluation.guidance.results import GuidanceResults, read_guidance
from denoise_cli.evaluation.render import render
from denoise_cli.files import atomic_write_path, write_atomic

PAGE = Path(__file__).parents[1] / "docs" / "guidance.md"
BLOCK = re.compile(
    r"(?<=<!-- results: )(?P<name>[\w-]+)\.json -->\n.*?(?=<!-- end of results -->)", re.DOTALL
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args(argv)
    page: Path = arguments.page
    text = page.read_text(encoding="utf-8")
    stored = {match["name"]: read_stored(page, match["name"]) for match in BLOCK.finditer(text)}
    if not stored:
        raise SystemExit(f"{page} has no block for results: <!-- results: NAME.json -->")
    fresh = BLOCK.sub(lambda match: block(match["name"], stored[match["name"]]), text)
    if arguments.check:
        raise SystemExit(
            0 if fresh == text else f"{page}: run scripts/update_guidance.py, the results changed"
        )
    for name, results in stored.items():
        for figure_name, figure in draw_gains(results).items():
            with atomic_write_path(page.with_name(f"{name}-{figure_name}.png")) as path:
                figure.savefig(path, dpi=130)
    write_atomic(page, fresh.encode())


def read_stored(page: Path, name: str) -> GuidanceResults:
    """The results that a block of the page names."""
    path = page.with_name(f"{name}.json")
    results = read_guidance(path)
    if results is None:
        raise SystemExit(f"{path} does not hold a comparison of guidance")
    return results


def block(name: str, results: GuidanceResults) -> str:
    """Tables, where they come from, and links to the figures, after the opening of the marker."""
    versions = ", ".join(f"{package} {number}" for package, number in results.versions.items())
    facts = f"- Scored on {results.device}, test noise of seed {results.seed}; {versions}.\n"
    figures = "".join(
        f"\n![Gain against the noise level]({name}-{figure}.png)\n" for figure in draw_gains(results)
    )
    return f"{name}.json -->\n{render(results, 'markdown')}{facts}{figures}"


if __name__ == "__main__":
    main()
