"""`python -m studies.marks --data DIR`: what a mark of one's own does in the recorded crash.

The same data, seed and size give the same bytes.
"""

import argparse
import sys
from pathlib import Path

from studies.crash.__main__ import ROOT, SEED, put_in
from studies.crash.study import BARS, TIERS
from studies.marks.picture import draw
from studies.marks.study import run_study
from studies.marks.told import told

ACCOUNTS = 10_000
PICTURE, DOCUMENT = Path("docs") / "marks.svg", Path("docs") / "marks.md"


def main(given: list[str] | None = None) -> int:
    """Write the picture and the document's part."""
    parser = argparse.ArgumentParser(prog="python -m studies.marks", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"has {BARS} and {TIERS}")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--root", type=Path, default=ROOT, help="whose documents are written")
    asked = parser.parse_args(given)
    missing = [str(asked.data / name) for name in (BARS, TIERS) if not (asked.data / name).exists()]
    if missing:
        print(f"not there: {', '.join(missing)} (--data says where)", file=sys.stderr)
        return 1
    study = run_study(asked.data, asked.accounts, asked.seed)
    print(part := told(study))
    page = asked.root / DOCUMENT
    page.write_text(put_in(page.read_text(), part, "marks"))
    (asked.root / PICTURE).write_text(draw(study))
    return 0


if __name__ == "__main__":
    sys.exit(main())
