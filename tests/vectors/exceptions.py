"""What is not reproduced, by id, and why; and single figures that cannot be."""

EXCEPTIONS = {
    "binance-real-open-order-im": "margin of open orders; the contract knows positions only",
    "kucoin-doc-cross-risk-rate": (
        "margin and fees of open orders; the contract knows positions only"
    ),
    "kucoin-doc-cross-liq-eth": (
        "KuCoin prints a cross price with the margin shared out by mark value; "
        "ours is where the account is liquidated, the other positions held"
    ),
    "dydx-bankruptcy-10": (
        "dYdX shares the account's equity out over its positions by their maintenance; "
        "ours is where the account's equity is gone, the other positions held"
    ),
    "drift-isolated-vs-cross": (
        "Drift asks maintenance of borrowed spot; the contract's requirement is of positions"
    ),
}

LEFT_OUT = {
    ("krakenfutures", "initial_margin"): "its leverage is not among the inputs",
    ("kucoin", "pos_init_mark"): "its leverage is not among the inputs",
    ("kucoin", "pos_comm"): "the commission is shown apart and is no part of the requirement",
    ("kucoin", "pos_margin"): "as the commission, which it has in",
}
LEFT_OUT_OF = {
    ("kucoin-real-xrp-iso-short", "pos_maint"): "has the commission in, which is shown apart",
}


def is_left_out(vector_id: str, venue: str, figure: str) -> bool:
    return (venue, figure) in LEFT_OUT or (vector_id, figure) in LEFT_OUT_OF
