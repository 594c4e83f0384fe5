"""`python -m studies.crash --data DIR`: play the crash and write what it shows into the documents.

The same data, seed and size give the same bytes.
"""

import argparse
import sys
from pathlib import Path

from studies.crash.picture import draw
from studies.crash.study import BARS, TIERS, Study, run_study
from studies.crash.told import lesson, long, short

ROOT = Path(__file__).parents[2]
ACCOUNTS, SEED = 20_000, 7
PICTURE = Path("docs") / "crash.svg"
SHORT, LONG = Path("README.md"), Path("docs") / "crash.md"
_BEGIN, _END = "<!-- python -m studies.{} writes from here -->", "<!-- to here -->"


def main(given: list[str] | None = None) -> int:
    """Write the picture and both documents' parts; 1 where they are other ones with --check."""
    asked = _arguments().parse_args(given)
    missing = [str(asked.data / name) for name in (BARS, TIERS) if not (asked.data / name).exists()]
    if missing:
        print(f"not there: {', '.join(missing)} (--data says where)", file=sys.stderr)
        return 1
    study = run_study(asked.data, asked.accounts, asked.seed)
    print("\n\n".join((short(study), lesson(study), long(study))))
    pages = written(study, asked.root)
    other = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if asked.check:
        print("\n".join(f"{path} is not what the study gives" for path in other), file=sys.stderr)
        return int(bool(other))
    for path in other:
        path.write_text(pages[path])
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.crash", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"has {BARS} and {TIERS}")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--root", type=Path, default=ROOT, help="whose documents are written")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    return parser


def written(study: Study, root: Path) -> dict[Path, str]:
    """Return the files as the study gives them; what is around a document's part stays."""
    told = f"{short(study)}\n\n![{_PICTURE_TEXT}](docs/crash.svg)\n\n{lesson(study)}"
    return {
        root / PICTURE: draw(study),
        root / SHORT: put_in((root / SHORT).read_text(), told),
        root / LONG: put_in((root / LONG).read_text(), long(study)),
    }


_PICTURE_TEXT = "Prices, accounts liquidated and the shortfall, on the last price and on spot"


def put_in(document: str, part: str, study: str = "crash") -> str:
    """Return a document with this between the two marks of a study."""
    begin = _BEGIN.format(study)
    before, _, rest = document.partition(begin)
    _, end, after = rest.partition(_END)
    assert end, "a document has lost its marks"
    return f"{before}{begin}\n{part}\n{_END}{after}"


if __name__ == "__main__":
    sys.exit(main())
