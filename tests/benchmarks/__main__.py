"""`python -m tests.benchmarks`: every benchmark, or those named, each comparison a JSON line."""

import argparse
import importlib
import sys
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--size", choices=("small", "full"), default="full")
    parser.add_argument("names", nargs="*", default=NAMES, help=", ".join(NAMES))
    options = parser.parse_args()
    for name in options.names:
        for measurement in importlib.import_module(f"tests.benchmarks.{name}").run(options.size):
            print(measurement.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
