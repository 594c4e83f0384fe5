"""What the study found, as Markdown: tables and the sentences that carry figures."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from textwrap import wrap

import numpy as np

from service.risk.columns import Bools, Floats
from studies.crash.accounts import CROSS_SHARE, LEVERAGES, LONG_SHARE
from studies.crash.play import SLIPPAGES, STATED, Fates
from studies.crash.study import Counts, Study, counts, fund_needed, late_share, liquidated

LEVERAGE_STEPS = (2.0, 3.0, 5.0, 10.0, 20.0)
LATE_S = 60


def short(study: Study) -> str:
    """Return the README's part, without the picture."""
    everybody = np.ones(len(study.traders), np.bool_)
    last, spot = (counts(each, everybody) for each in (study.last, study.spot))
    funds = [fund_needed(each) for each in (study.last, study.spot)]
    rows = [
        ("accounts liquidated", _share(last.liquidated, last), _share(spot.liquidated, spot)),
        ("their positions", _money(last.size), _money(spot.size)),
        ("would owe money", _share(last.owing, last), _share(spot.owing, spot)),
        ("shortfall: what a fund must pay", _money(last.shortfall), _money(spot.shortfall)),
        ("needed, if it gets what liquidations leave", *map(_money, funds)),
        ("largest debt of one account", _money(last.largest), _money(spot.largest)),
    ]
    return "\n".join([*_wrapped(_setting(study)), "", *_table(("", *_BASES), rows)])


def lesson(study: Study) -> str:
    """Return whom the last price alone liquidated, and whose shortfall the spot median's is."""
    alone = study.last_alone
    kept = float(study.last.kept[STATED, alone].sum())
    later = float(study.spot.equity[alone].sum())
    other = int((liquidated(study.spot) & ~liquidated(study.last)).sum())
    of_late = late_share(study, LATE_S)
    return "\n".join(
        _wrapped(
            f"{int(alone.sum()):,} accounts were liquidated on the last price alone ({other:,} on "
            f"the spot median alone). Closed, they kept {_money(kept)}; left alone, they had "
            f"{_money(later)} at {_clock(study, len(study.tape.last))}. Of the shortfall on the "
            f"spot median {_part(of_late, 0)} is of accounts that the last price would have closed "
            f"{LATE_S} seconds or more before."
        )
    )


def long(study: Study) -> str:
    """Return the tables of the document: by slippage, by leverage, by market."""
    return "\n".join(
        [
            *_table(_HEAD_OF_COUNTS, _by_slippage(study)),
            "",
            *_table(_HEAD_OF_PAIRS, [*_by_leverage(study), *_by_kind(study)]),
            "",
            *_table(_HEAD_OF_MARKETS, _by_market(study)),
        ]
    )


_BASES = ("on the last price", "on the spot median")
_HEAD_OF_COUNTS = (
    "slippage, mark",
    "would owe",
    "of those liquidated",
    "shortfall",
    "needed by a fund that takes surpluses",
    "largest debt",
)
_HEAD_OF_PAIRS = (
    "accounts",
    "how many",
    "liquidated: last",
    "spot",
    "would owe: last",
    "spot",
    "shortfall: last",
    "spot",
)
_HEAD_OF_MARKETS = ("isolated longs", "lowest: last", "spot", *_HEAD_OF_PAIRS[1:])


def _setting(study: Study) -> str:
    low, high = LEVERAGES
    *coins, final = study.tape.coins
    return (
        f"{len(study.traders):,} accounts (seed {study.seed}) at {low:g}x to {high:g}x, "
        f"{_part(LONG_SHARE, 0)} of their positions long, {_part(CROSS_SHARE, 0)} of them cross, "
        f"in the coin-margined perpetuals of {', '.join(coins)} and {final}: entered at "
        f"{_clock(study, 0)}, judged every second until {_clock(study, len(study.tape.last))} UTC, "
        f"closed where the perpetual's next bar opens, with {_part(SLIPPAGES[STATED])} of slippage."
    )


def _by_slippage(study: Study) -> Iterator[Sequence[str]]:
    everybody = np.ones(len(study.traders), np.bool_)
    for row, slippage in enumerate(SLIPPAGES):
        for name, fates in _both(study):
            found = counts(fates, everybody, row)
            yield (
                f"{_part(slippage)}, {name}",
                _share(found.owing, found),
                _part(found.owing / max(1, found.liquidated)),
                _money(found.shortfall),
                _money(fund_needed(fates, row)),
                _money(found.largest),
            )


def _by_leverage(study: Study) -> Iterator[Sequence[str]]:
    leverage = _leverages(study)
    for low, high in pairwise(LEVERAGE_STEPS):
        among = (leverage >= low) & (leverage < high)
        yield f"{low:g}x to {high:g}x", *_pairs(study, among)


def _by_kind(study: Study) -> Iterator[Sequence[str]]:
    is_cross = np.array([trader.is_cross for trader in study.traders])
    yield "isolated", *_pairs(study, ~is_cross)
    yield "cross", *_pairs(study, is_cross)


def _by_market(study: Study) -> Iterator[Sequence[str]]:
    tape = study.tape
    held = [trader.account.positions for trader in study.traders]
    for column, listing in enumerate(study.listings):
        among = np.array(
            [
                each[0].isolated and each[0].symbol == listing.symbol and each[0].side == "long"
                for each in held
            ]
        )
        lowest = [each[:, column].min() / tape.spot[0, column] for each in (tape.last, tape.spot)]
        yield listing.coin, *(_part(low - 1.0) for low in lowest), *_pairs(study, among)


def _pairs(study: Study, among: Bools) -> list[str]:
    last, spot = (counts(each, among) for each in (study.last, study.spot))
    return [
        f"{last.traders:,}",
        *(_part(each.liquidated / max(1, each.traders)) for each in (last, spot)),
        *(_part(each.owing / max(1, each.traders)) for each in (last, spot)),
        *(_money(each.shortfall) for each in (last, spot)),
    ]


def _both(study: Study) -> tuple[tuple[str, Fates], ...]:
    return ("last price", study.last), ("spot median", study.spot)


def _leverages(study: Study) -> Floats:
    return np.array([trader.leverage for trader in study.traders])


def _clock(study: Study, second: int) -> str:
    return f"{datetime.fromtimestamp(study.tape.start_s + second, UTC):%H:%M}"


def _share(count: int, of: Counts) -> str:
    return f"{count:,} ({_part(count / of.traders)})"


def _part(share: float, digits: int = 1) -> str:
    return f"{100.0 * share:.{digits}f} %"


def _money(usd: float) -> str:
    return f"${usd / 1e6:,.2f} m" if usd >= 1e6 else f"${usd:,.0f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _wrapped(text: str) -> list[str]:
    return wrap(text, width=120, break_long_words=False, break_on_hyphens=False)
