"""The rows about who serves: calls and refusals, monitors, feeds, processes."""

from deploy.observe.panel import RANGE, Panel, quantiles

EVALUATE = '{route="/v1/evaluate"}'
SERVING: dict[str, tuple[Panel, ...]] = {
    "Calls": (
        Panel(
            "Evaluate",
            "From the first byte of a call to the first of its answer.",
            "s",
            quantiles("plimsoll_request_seconds", 0.5, 0.95, 0.99, of=EVALUATE),
            limit=0.25,
        ),
        Panel(
            "Slowest routes",
            "The 99th percentile of each.",
            "s",
            {
                "{{route}}": "topk(5, histogram_quantile(0.99, sum by (le, route) "
                f"(rate(plimsoll_request_seconds_bucket[{RANGE}]))))"
            },
        ),
        Panel(
            "Calls",
            "Answered in a second.",
            "reqps",
            {"{{route}}": f"sum by (route) (rate(plimsoll_requests_total[{RANGE}]))"},
            stacked=True,
        ),
        Panel(
            "Positions of an evaluation",
            "How large they are.",
            "short",
            quantiles("plimsoll_evaluate_positions", 0.5, 0.99),
        ),
        Panel(
            "Evaluations that wait",
            "In all workers.",
            "none",
            {"waiting": "sum(plimsoll_evaluations_waiting)"},
        ),
    ),
    "Refusals": (
        Panel(
            "Answers by status",
            "Of all calls, in a second.",
            "reqps",
            {"{{status}}": f"sum by (status) (rate(plimsoll_requests_total[{RANGE}]))"},
            stacked=True,
        ),
        Panel(
            "Problems by code",
            "What calls were refused for.",
            "reqps",
            {"{{code}}": f"sum by (code) (rate(plimsoll_problems_total[{RANGE}]))"},
        ),
        Panel(
            "Streams closed by code",
            "Of those that we closed; 4000 is a restart, 4008 a client that does not read.",
            "ops",
            {"{{code}}": f"sum by (code) (rate(plimsoll_stream_closes_total[{RANGE}]))"},
        ),
        Panel(
            "Shed",
            "Calls answered 503 for the load of a worker.",
            "reqps",
            {"{{reason}}": f"sum by (reason) (rate(plimsoll_shed_total[{RANGE}]))"},
        ),
    ),
    "Shards and monitors": (
        Panel(
            "Shards by state",
            "All should be served.",
            "none",
            {"{{state}}": "max by (state) (plimsoll_shards)"},
            stacked=True,
        ),
        Panel(
            "Shards by monitor",
            "Who serves how many.",
            "none",
            {"{{monitor}}": "max by (monitor) (plimsoll_monitor_shards)"},
            stacked=True,
        ),
        Panel(
            "Pools judged",
            "In a second: due at a mark, and by the audit.",
            "ops",
            {
                "due": f"sum(rate(plimsoll_monitor_pools_evaluated_total[{RANGE}]))",
                "audit": f"sum(rate(plimsoll_monitor_audited_total[{RANGE}]))",
            },
        ),
        Panel(
            "What must not be",
            "Levels that the audit put right, entries that cannot be read or were gone.",
            "none",
            {
                "mismatches": "max by (monitor) (plimsoll_monitor_mismatches_total)",
                "unreadable": "max by (monitor) (plimsoll_monitor_unreadable_total)",
                "gaps": "max by (monitor) (plimsoll_monitor_gaps_total)",
            },
        ),
        Panel(
            "Garbage collector",
            "Part of all time that it takes.",
            "percentunit",
            {
                "{{monitor}}": "max by (monitor) (plimsoll_monitor_collector_share)",
                "api": "max(plimsoll_collector_share)",
            },
        ),
    ),
    "Feeds": (
        Panel(
            "Marks by feed",
            "Stored in a second.",
            "ops",
            {"{{feed}}": f"max by (feed) (rate(plimsoll_feed_marks_total[{RANGE}]))"},
        ),
        Panel(
            "Silence by feed",
            "Since its last mark.",
            "s",
            {"{{feed}}": "min by (feed) (plimsoll_feed_quiet_seconds)"},
            limit=15,
        ),
        Panel(
            "Connections",
            "There should be, and stand.",
            "none",
            {
                "{{feed}} wanted": "max by (feed) (plimsoll_feed_lines)",
                "{{feed}} open": "max by (feed) (plimsoll_feed_lines_open)",
            },
        ),
        Panel(
            "Refused by feed",
            "Marks and frames, by reason.",
            "ops",
            {
                "{{feed}} {{reason}}": "max by (feed, reason) "
                f"(rate(plimsoll_feed_refused_total[{RANGE}]))"
            },
        ),
    ),
    "Accounts kept as venues say": (
        Panel(
            "Accounts by state",
            "All should be kept; late ones are judged by old positions.",
            "none",
            {
                "{{state}}": "sum by (state) "
                "(max by (exchange, process, state) (plimsoll_sync_accounts))"
            },
            stacked=True,
        ),
        Panel(
            "Oldest account",
            "Since the venue's word of it was taken over.",
            "s",
            {"{{exchange}}": "max by (exchange) (plimsoll_sync_age_seconds)"},
            limit=30,
        ),
        Panel(
            "Tries that came to nothing",
            "By venue and reason.",
            "ops",
            {
                "{{exchange}} {{reason}}": "max by (exchange, reason) "
                f"(rate(plimsoll_sync_troubles_total[{RANGE}]))"
            },
        ),
    ),
    "API workers": (
        Panel(
            "Workers",
            "Behind each port, and whether they told their figures.",
            "none",
            {"{{instance}} {{state}}": "plimsoll_workers"},
            stacked=True,
        ),
        Panel(
            "Processor",
            "Cores that a worker uses.",
            "none",
            {
                "{{instance}} {{worker}}": "rate("
                f"process_cpu_seconds_total{{job='plimsoll'}}[{RANGE}])"
            },
        ),
        Panel(
            "Memory",
            "Resident.",
            "bytes",
            {"{{instance}} {{worker}}": "process_resident_memory_bytes{job='plimsoll'}"},
        ),
        Panel(
            "Descriptors",
            "Open files and sockets.",
            "short",
            {"{{instance}} {{worker}}": "process_open_fds{job='plimsoll'}"},
        ),
    ),
}
