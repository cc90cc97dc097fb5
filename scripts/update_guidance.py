"""Bring docs/guidance.md up to date: its tables and figure from the stored per-image results.

    python scripts/update_guidance.py            # rewrite the tables and docs/guidance-*.png
    python scripts/update_guidance.py --check    # only compare the tables; exit 1 where they differ

The results are docs/guidance.json, which `denoise compare --guidance ... -o docs/guidance.json`
writes; --page and --results name other files.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from denoise_cli.evaluation.guidance_chart import draw_gains
from denoise_cli.evaluation.guidance_results import GuidanceResults, read_guidance
from denoise_cli.evaluation.output import render
from denoise_cli.files import replacing, write_atomic

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"(<!-- results -->\n).*?(<!-- end of results -->)", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--page", type=Path, default=DOCS / "guidance.md")
    parser.add_argument("--results", type=Path, default=DOCS / "guidance.json")
    arguments = parser.parse_args()
    results = read_guidance(arguments.results)
    if results is None:
        raise SystemExit(f"{arguments.results} does not hold a comparison of guidance")
    page: Path = arguments.page
    text = page.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise SystemExit(f"{page} has no block for the results")
    fresh = BLOCK.sub(lambda match: match[1] + block(results, page) + match[2], text)
    if arguments.check:
        raise SystemExit(
            0 if fresh == text else f"{page}: run scripts/update_guidance.py, the results changed"
        )
    for name, figure in draw_gains(results).items():
        with replacing(page.with_name(f"{page.stem}-{name}.png")) as path:
            figure.savefig(path, dpi=130)
    write_atomic(page, fresh.encode())


def block(results: GuidanceResults, page: Path) -> str:
    """Tables, where they come from, and links to the figures."""
    versions = ", ".join(f"{name} {number}" for name, number in results.versions.items())
    facts = f"- Scored on {results.device}, test noise of seed {results.seed}; {versions}.\n"
    figures = "".join(
        f"\n![Gain against the noise level]({page.stem}-{name}.png)\n" for name in draw_gains(results)
    )
    return render(results, "markdown") + facts + figures


if __name__ == "__main__":
    main()
