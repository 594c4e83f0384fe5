"""What a monitor says of itself: its part in the list of members, and its metrics."""

from dataclasses import asdict
from typing import Any

from service.monitor.sharing import Sharing
from service.monitor.stats import EngineStats

Figures = dict[str, Any]


def figures_of(sharing: Sharing) -> Figures:
    """Return counts since the book was made, and what it holds; `shards` are those served."""
    main, served = sharing.main, sharing.served
    figures: Figures = {"shards": served, "ready": int(bool(served)), "taking": 0}
    if sharing.nursery is not None:
        figures["taking"] = len(sharing.nursery.waiting) + len(sharing.nursery.ledgers)
    if main is None:
        return figures | asdict(EngineStats())
    engine = main.engine
    return figures | {
        "marketId": engine.market_id,
        "eventTime": engine.event_time_ms,
        "accounts": sum(book.residents.held(book.ledgers) for book in sharing.serving),
        "pools": len(engine.book),
        "positions": engine.book.positions,
        "commits": main.commits,
        "gaps": main.gaps,
        **asdict(engine.stats),
        "histograms": main.measures.told(),
    }
