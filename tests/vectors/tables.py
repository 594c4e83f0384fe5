"""The real Binance tiers, where they are: symbol -> [floor, cap, rate, leverage, deduction]."""

import gzip
import json

from tests.vectors.published import shared_folder


def binance_tables() -> dict[str, list[list[float]]]:
    """Empty where the file is not there."""
    path = shared_folder() / "data" / "binance_tiers.json.gz"
    if not path.exists():
        return {}
    tables: dict[str, list[list[float]]] = json.loads(gzip.decompress(path.read_bytes()))
    return tables
