"""What is not reproduced, by id, and why; and single figures that cannot be."""

EXCEPTIONS = {
    "kucoin-doc-cross-liq-eth": (
        "KuCoin prints a cross price with the margin shared out by mark value, the share rounded "
        "to four digits; ours is where the account is liquidated, the other positions held"
    ),
    "drift-isolated-vs-cross": (
        "Drift asks maintenance of borrowed spot; the contract's requirement is of positions"
    ),
    **dict.fromkeys(
        ("drift-multicollateral-ask", "drift-multicollateral-ask2"),
        "orders that would borrow spot when filled, and a cent for each; the contract's "
        "requirement is of positions",
    ),
    "okx-discount-11m-usdt": (
        "weights by slices of an amount; the contract has one for an asset, listed once"
    ),
    **dict.fromkeys(
        (
            "drift-size-weight-2",
            "drift-size-weight-4",
            "drift-size-weight-5",
            "drift-size-weight-7",
        ),
        "a weight that follows from an amount; the contract takes the weight that is given",
    ),
    "drift-strict-perp-2": "two prices of one asset, the worse for each use; the contract has one",
    "ft-liq-buffer": "a line at a share of the way from entry; our lines are margin ratios",
}

LEFT_OUT = {
    ("krakenfutures", "initial_margin"): "its leverage is not among the inputs",
    ("kucoin", "pos_init_mark"): "its leverage is not among the inputs",
    ("kucoin", "pos_comm"): "the commission is shown apart and is no part of the requirement",
    ("dydx_v4", "fillable_price_ratio"): "the price again, as a ratio of the chain's units",
    ("kucoin", "pos_margin"): "as the commission, which it has in",
}
LEFT_OUT_OF = {
    ("kucoin-real-xrp-iso-short", "pos_maint"): "has the commission in, which is shown apart",
}


def is_left_out(vector_id: str, venue: str, figure: str) -> bool:
    return (venue, figure) in LEFT_OUT or (vector_id, figure) in LEFT_OUT_OF
