"""A whole run on this machine: service, Locust, and the budget's verdict as exit code."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from loadtests.servers import planted, service

HERE = Path(__file__).parent
OUT = HERE.parent / "out"
LONG_S, SHORT_S = 300, 30


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loadtests", description=__doc__)
    parser.add_argument("--short", action="store_true", help=f"{SHORT_S} s and no report")
    parser.add_argument("--seconds", type=int, help="how long to run")
    parser.add_argument("--users", type=int, help="all but six of them are bots")
    parser.add_argument("--budget", type=Path, default=HERE / "budget.toml")
    parser.add_argument("--tries", type=int, default=1, help="runs, of which one must keep it")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="plant a delay, to see it fail")
    parser.add_argument("--error-share", type=float, default=0.0, help="plant errors likewise")
    return parser.parse_args(arguments)


def locust(options: argparse.Namespace, url: str) -> list[str]:
    """Return the command that runs Locust once, without its web page."""
    seconds = options.seconds or (SHORT_S if options.short else LONG_S)
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--headless"]
    command += ["--host", url, "--run-time", f"{seconds}s", "--only-summary"]
    command += ["--loglevel", "WARNING", "--budget", str(options.budget)]
    if options.users:
        command += ["--users", str(options.users)]
    if options.short:
        return command
    OUT.mkdir(exist_ok=True)
    return [*command, "--html", str(OUT / "loadtest.html")]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    with ExitStack() as stack:
        url = stack.enter_context(service())
        if options.delay_ms or options.error_share:
            url = stack.enter_context(planted(url, options.delay_ms, options.error_share))
        for _ in range(options.tries):
            code = subprocess.run(locust(options, url), cwd=HERE.parent, check=False).returncode
            if code == 0:
                break
        return code


if __name__ == "__main__":
    sys.exit(main())
