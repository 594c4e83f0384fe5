"""A panel of the dashboard, and how its queries are written.

Figures that every API worker shows alike (of monitors, feeds and funds) are taken by their maximum
over workers, never added up.
"""

from dataclasses import dataclass

RANGE = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: its title, what it tells, its unit, and queries by their legend.

    `limit` is drawn as a line, `single` shows the newest value alone, `stacked` adds series up.
    """

    title: str
    text: str
    unit: str
    queries: dict[str, str]
    limit: float | None = None
    single: bool = False
    stacked: bool = False


def quantiles(histogram: str, *wanted: float, of: str = "") -> dict[str, str]:
    """Return the queries of a histogram's quantiles."""
    rate = f"sum by (le) (rate({histogram}_bucket{of}[{RANGE}]))"
    return {f"p{100 * each:g}": f"histogram_quantile({each}, {rate})" for each in wanted}
