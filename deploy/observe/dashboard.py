"""Writes the Grafana dashboard: `python -m deploy.observe.dashboard`; a test holds the file to it.

Grafana's own builders make it, so that its types say what a panel may be; the tables beside this
have the queries.
"""

from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)

from deploy.observe.panel import Panel
from deploy.observe.panels_serving import SERVING
from deploy.observe.panels_watched import WATCHED

FILE = Path(__file__).parent / "grafana" / "dashboards" / "plimsoll.json"
_SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
ROWS = WATCHED | SERVING
_NEWEST = common.ReduceDataOptions().calcs(["lastNotNull"])
_WIDTH, _HEIGHT, _STAT_HEIGHT = 8, 7, 4


def _limits(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [Threshold(value=None, color="green")]
    if panel.limit is not None:
        steps.append(Threshold(value=panel.limit, color="red"))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _built(panel: Panel) -> stat.Panel | timeseries.Panel:
    made: stat.Panel | timeseries.Panel
    if panel.single:
        made = stat.Panel().span(24 // len(ROWS["Now"])).height(_STAT_HEIGHT)
        made = made.graph_mode(BigValueGraphMode.NONE).reduce_options(_NEWEST)
    else:
        shown = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
        shown = shown.placement(LegendPlacement.BOTTOM)
        made = timeseries.Panel().span(_WIDTH).height(_HEIGHT).min(0).line_width(1)
        made = made.legend(shown)
        if panel.limit is not None:
            line = common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED)
            made = made.thresholds_style(line)
        if panel.stacked:
            stacking = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
            made = made.stacking(stacking).fill_opacity(20)
    made = made.title(panel.title).description(panel.text).unit(panel.unit)
    made = made.datasource(_SOURCE).thresholds(_limits(panel))
    for letter, (legend, query) in zip("ABCDEF", panel.queries.items(), strict=False):
        asked = prometheus.Dataquery().expr(query).legend_format(legend).ref_id(letter)
        made = made.with_target(asked.instant() if panel.single else asked.range())
    return made


def built() -> Dashboard:
    """Return the dashboard, row by row."""
    made = dashboard.Dashboard("Plimsoll").uid("plimsoll").tags(["plimsoll"]).readonly()
    made = made.description("Accounts at risk, and whether the service is well.")
    made = made.time("now-1h", "now").refresh("10s").timezone("browser")
    made = made.tooltip(DashboardCursorSync.CROSSHAIR)
    for title, panels in ROWS.items():
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(_built(panel))
    return made.build()


def rendered() -> str:
    """Return the dashboard as Grafana reads it."""
    return JSONEncoder(sort_keys=True, indent=2).encode(built()) + "\n"


if __name__ == "__main__":
    FILE.write_text(rendered(), encoding="utf-8")
