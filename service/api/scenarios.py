"""What a body says beside its scenarios: actions and funds in the engine's records, symbols."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from service.contract.decoding import pointer_to
from service.contract.simulate import (
    ActionDocument,
    DepositDocument,
    FillDocument,
    LeverageDocument,
    MarginModeDocument,
    ShocksDocument,
    StepDocument,
    SupposedFund,
    WithdrawalDocument,
    fund_faults,
)
from service.contract.supposed import Supposing
from service.errors import Fault, InvalidInput
from service.risk.columns import Batch
from service.risk.fund import Funds
from service.risk.markets import MarketTable
from service.risk.reports import Key
from service.risk.simulate.actions import Action, Fill, Leverage, MarginMode, Payment


def action_of(document: ActionDocument) -> Action:
    """Return the engine's record of an action."""
    match document:
        case DepositDocument():
            return Payment(document.asset, document.amount)
        case WithdrawalDocument():
            return Payment(document.asset, -document.amount)
        case LeverageDocument():
            return Leverage(document.symbol, document.leverage)
        case MarginModeDocument():
            return MarginMode(document.symbol, document.margin_mode == "isolated")
        case FillDocument():
            signed = document.contracts if document.side == "buy" else -document.contracts
            return Fill(
                document.symbol,
                signed,
                document.price,
                document.position_side,
                document.leverage,
                document.margin_mode == "isolated",
            )


def symbol_faults(asked: Supposing, is_seen: Callable[[str], bool]) -> list[Fault]:
    """Return a fault for each symbol that is shocked and moves nothing."""
    detail = "no venue of these accounts has a market or a price of this symbol"
    return [
        Fault(pointer_to(*where), "unknown_symbol", detail)
        for symbol, where in _shocked(asked)
        if not is_seen(symbol)
    ]


def _shocked(asked: Supposing) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Yield every symbol that prices are supposed of, and where it stands."""
    for index, axis in enumerate(asked.grid.axes if asked.grid else ()):
        if axis.symbol is not None:
            yield axis.symbol, ("grid", "axes", index, "symbol")
    for index, document in enumerate(asked.scenarios or ()):
        shocks = document.shocks or ShocksDocument()
        steps: list[tuple[StepDocument, tuple[str | int, ...]]] = [(shocks, ())]
        steps += [(step, ("path", place)) for place, step in enumerate(shocks.path or ())]
        for step, where in steps:
            for name, symbols in (("pct", step.pct), ("marks", step.marks)):
                for symbol in symbols or ():
                    yield symbol, ("scenarios", index, "shocks", *where, name, symbol)


def funds_of(documents: Sequence[SupposedFund], batch: Batch, table: MarketTable) -> Funds:
    """Return the funds by asset; of those nobody listed it is not known what they hold.

    Raises InvalidInput for a fund that is listed twice.
    """
    funds = Funds.unlimited(len(batch.asset_price))
    if faults := fund_faults(documents):
        raise InvalidInput.of(*faults)
    listed: dict[Key, SupposedFund] = {(each.venue, each.asset): each for each in documents}
    for asset in range(len(batch.asset_price)):
        each = listed.get(table.asset_key(asset))
        if each is not None:
            limit = each.event_limit
            funds.balance[asset] = each.balance
            funds.event_most[asset] = np.inf if limit is None else limit
    return funds
