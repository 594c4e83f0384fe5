"""The dashboard is Grafana's own form; the table of metrics is what `/metrics` shows."""

import json
import os
import re
from dataclasses import asdict

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from deploy.observe import dashboard
from service.api.monitor_metrics import FIGURES, HISTOGRAMS
from service.monitor.measures import Measures
from service.monitor.stats import EngineStats
from tests.api.workers import open_worker, settings_of
from tests.observe.prometheus import ROOT

DOCUMENT = ROOT / "docs" / "observability.md"
BEGIN, END = "<!-- the metrics from here -->", "<!-- to here -->"
NAMES_OF_PEOPLE = {"account", "account_id", "accountId", "tenant", "key", "symbol"}


def test_the_dashboard_is_the_one_that_is_written() -> None:
    said = "run `python -m deploy.observe.dashboard`"
    assert dashboard.FILE.read_text(encoding="utf-8") == dashboard.rendered(), said


def test_the_dashboard_is_read_by_grafanas_types_without_a_loss() -> None:
    register_default_plugins()
    told = json.loads(dashboard.FILE.read_text(encoding="utf-8"))
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(told)))
    assert again == told


def test_every_query_names_metrics_that_the_document_has() -> None:
    documented = DOCUMENT.read_text(encoding="utf-8")
    for panels in dashboard.ROWS.values():
        for panel in panels:
            for query in panel.queries.values():
                for name in re.findall(r"plimsoll_\w+", query):
                    assert f"`{re.sub('_bucket$', '', name)}`" in documented, name


def test_every_figure_that_a_monitor_reports_is_shown() -> None:
    assert set(asdict(EngineStats())) <= set(FIGURES)
    assert set(Measures().told()) == set(HISTOGRAMS)


@pytest.mark.anyio
async def test_the_table_of_metrics_is_what_is_shown(redis_url: str) -> None:
    async with open_worker(settings_of(redis_url)) as worker:
        text = (await worker.get("/metrics")).text
    families = [one for one in text_string_to_metric_families(text) if "plimsoll" in one.name]
    assert all(one.documentation.endswith(".") for one in families)
    for family in families:
        assert not NAMES_OF_PEOPLE & {name for sample in family.samples for name in sample.labels}
    written = table(families)
    document = DOCUMENT.read_text(encoding="utf-8")
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    if os.environ.get("PLIMSOLL_WRITE_METRICS") == "1":
        DOCUMENT.write_text(f"{before}{BEGIN}\n{written}\n{END}{after}", encoding="utf-8")
    assert f"{BEGIN}\n{written}\n{END}" in document, "set PLIMSOLL_WRITE_METRICS=1, once"


def table(families: list[Metric]) -> str:
    """Return the metrics as the document lists them."""
    rows = ["| metric | kind | what |", "|---|---|---|"]
    for family in sorted(families, key=lambda one: one.name):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(rows)
