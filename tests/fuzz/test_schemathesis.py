"""Schemathesis asks a running service what the OpenAPI document allows, and what it forbids.

All its checks, links included: no answer of 500, none that the document does not say. Keys are in
force, so that a call without one must be refused. `schemathesis.toml` has what a schema cannot say.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.documented import document
from tests.simulation.processes import Processes

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
KEY = "k" * 32
SETTINGS = Path(__file__).with_name("schemathesis.toml")
ROOT = Path(__file__).parents[2]
# Of each call; the long form adds what is at the borders of every schema, and takes chance's seed.
LONG = ("--max-examples", "100")
SHORT = ("--max-examples", "2", "--seed", "1", "--phases", "examples,fuzzing,stateful")
CASES = 2_000 if SOAK else 100

pytestmark = pytest.mark.soak


def guarded() -> Any:
    """Return the document as it is true of a service with keys in force."""
    told: Any = json.loads(json.dumps(document()))
    for methods in told["paths"].values():
        for operation in methods.values():
            # An empty one stands for a service without keys.
            operation["security"] = [one for one in operation.get("security", ()) if one]
            for response in operation["responses"].values():
                # Of the text of a stream, where Schemathesis looks for one of its events.
                response.get("content", {}).get("text/event-stream", {}).pop("schema", None)
    return told


def ask(url: str, schema: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis to its end, in the schema's folder: it keeps notes where it runs."""
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run"]
    common = ["--url", url, "--header", f"Authorization: Bearer {KEY}", "--checks", "all"]
    return subprocess.run(
        [*program, str(schema), *common, "--no-color", "--continue-on-failure", *options],
        capture_output=True,
        text=True,
        cwd=schema.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )


@pytest.mark.timeout(0 if SOAK else 240)
def test_nothing_that_is_asked_breaks_the_service_or_its_word(tmp_path: Path) -> None:
    schema = tmp_path / "openapi.json"
    schema.write_text(json.dumps(guarded()))
    with Processes(
        tmp_path, shards="4", bootstrap_key=KEY, heartbeat_s="0.5", targets="true"
    ) as processes:
        asked = ask(processes.url, schema, *(LONG if SOAK else SHORT))
        assert asked.returncode == 0, f"{asked.stdout}\n{asked.stderr}"
        assert processes.ready()
        logs = processes.said("api") + processes.said("monitor")
    assert "Traceback" not in logs
    assert "ERROR" not in logs
    generated = re.search(r"(\d+) generated", asked.stdout)
    assert generated is not None, asked.stdout
    assert int(generated[1]) >= CASES
    print(re.sub(r"(?s).*SUMMARY =+", "", asked.stdout))
