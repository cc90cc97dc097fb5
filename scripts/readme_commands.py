"""Print the README's set-up commands, one a line: the bash blocks right below a `<!-- set-up -->` mark."""

from __future__ import annotations

import re
import sys
from pathlib import Path

BLOCK = re.compile(r"<!-- set-up -->\s*```bash\n(.*?)\n```", re.DOTALL)

for match in BLOCK.finditer(Path(sys.argv[1]).read_text()):
    print(match[1].strip())
