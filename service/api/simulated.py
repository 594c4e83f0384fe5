"""From a scenario's outcome to the contract's answer."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from service.contract.alerts import LevelName
from service.contract.simulate import SupposedFund
from service.contract.simulated import (
    ClosedPosition,
    ConservationAnswer,
    DeleveragedAnswer,
    FundAnswer,
    LiquidatedPool,
    LiquidationAnswer,
    MoneyAnswer,
    MoneyIn,
    MoneyOut,
    ScenarioAnswer,
    SimulatedAccount,
    TotalAnswer,
)
from service.contract.supposed import Asked
from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.fund import Funds
from service.risk.markets import MarketTable
from service.risk.model import Account, PoolKey
from service.risk.reports import Key
from service.risk.simulate.run import Outcome, Round

_LEVELS: tuple[LevelName, ...] = get_args(LevelName)  # in the order of model.Level
_PAYERS = ("fund", "deleveraged", "socialised", "owed", "venue")


@dataclass(slots=True)
class Simulated:
    """A book, as it was named and numbered, and what a scenario did to it."""

    accounts: Sequence[Account]
    keys: list[PoolKey]  # by pool
    batch: Batch
    table: MarketTable
    listed: Sequence[SupposedFund]  # as the body has them
    funds: Funds  # before
    outcome: Outcome

    def touched(self) -> Bools:
        """Return the pools that something was closed of."""
        touched = np.zeros(len(self.keys), dtype=np.bool_)
        for each in self.outcome.rounds:
            touched[each.pools.pool] = True
        return touched

    def of_pools(self, name: str) -> Floats:
        """Return a column of what was shared out, summed by pool."""
        column = np.zeros(len(self.keys))
        for each in self.outcome.rounds:
            np.add.at(column, each.lost, getattr(each.shared, name))
        return column

    def closed(self, name: str) -> Floats:
        """Return a column of what was closed, summed by pool."""
        column = np.zeros(len(self.keys))
        for each in self.outcome.rounds:
            np.add.at(column, each.pools.pool, getattr(each.pools, name))
        return column

    def is_finite(self) -> bool:
        """Say whether every figure that has a value is a number."""
        ledger = self.outcome.ledger
        sums = (ledger.turned_over, self.closed("notional"), *map(self.of_pools, _PAYERS))
        return all(bool(np.isfinite(column).all()) for column in sums)


def answer_scenario(found: Simulated, asked: Asked, index: int, *, all_: bool) -> ScenarioAnswer:
    """Return what a scenario does; without accounts and liquidations unless `all_` is asked for."""
    outcome = found.outcome
    level = np.zeros(len(found.accounts), dtype=np.int8)
    np.maximum.at(level, found.batch.pools.account, outcome.level)
    counts = Counter(level.tolist())
    return ScenarioAnswer(
        name=asked.name,
        index=index,
        moves=asked.moves,
        at_rest=outcome.at_rest,
        rounds=len(outcome.rounds),
        levels={name: counts.get(code, 0) for code, name in enumerate(_LEVELS)},
        totals=totals_of(found),
        funds=list(_funds(found)),
        conservation=list(_conservation(found)),
        accounts=_accounts(found, level.tolist()) if all_ else [],
        liquidations=list(_liquidations(found)) if all_ else [],
        deleveraged=list(_deleveraged(found)) if all_ else [],
        comparison=None,
    )


def pool_named(key: PoolKey) -> LiquidatedPool:
    """Return a pool's name as the wire has it."""
    side = key.side or None
    return LiquidatedPool(key.kind, key.settle, key.symbol or None, side)  # type: ignore[arg-type]  # a side or none


def _by_asset(found: Simulated) -> tuple[list[str], Ints]:
    """Return the assets that pools' money is in, and each pool's among them."""
    names = sorted({key.settle for key in found.keys})
    place = {name: index for index, name in enumerate(names)}
    return names, np.array([place[key.settle] for key in found.keys], dtype=np.int64)


def totals_of(found: Simulated) -> list[TotalAnswer]:
    """Return the sums by asset, of what there was something to close in."""
    names, at = _by_asset(found)
    account, touched = found.batch.pools.account, found.touched()
    figures = {name: found.of_pools(name) for name in (*_PAYERS, "shortfall", "contributed")}
    figures["notional"] = found.closed("notional")
    figures["fees"] = found.closed("step_fees") + found.of_pools("fees")
    totals = []
    for asset, name in enumerate(names):
        rows = np.flatnonzero((at == asset) & touched)
        owed = sums_by(account[rows], figures["owed"][rows], len(found.accounts))
        worst = int(np.argmax(owed)) if len(owed) else 0
        owes = bool(len(rows)) and owed[worst] > 0.0
        totals.append(
            TotalAnswer(
                asset=name,
                liquidated=len(np.unique(account[rows])),
                worst_account_id=found.accounts[worst].account_key if owes else None,
                worst_owed=float(owed[worst]) if owes else 0.0,
                **{key: float(column[rows].sum()) for key, column in figures.items()},
            )
        )
    return totals


def _funds(found: Simulated) -> Iterator[FundAnswer]:
    """Yield the funds somebody listed, and those that money came to or went from."""
    assets = len(found.funds.balance)
    settle = found.batch.pools.settle
    paid = sums_by(settle, found.of_pools("fund"), assets)
    contributed = sums_by(settle, found.of_pools("contributed"), assets)
    stated = np.isfinite(found.funds.balance)
    used: set[Key] = set()
    for asset in np.flatnonzero(stated | (paid > 0.0) | (contributed > 0.0)).tolist():
        venue, name = found.table.asset_key(asset)
        before, after = found.funds.balance[asset], found.outcome.fund_balance[asset]
        known = bool(stated[asset])
        used.add((venue, name))
        yield FundAnswer(
            venue=venue,
            asset=name,
            before=float(before) if known else None,
            after=float(after) if known else None,
            reason=None if known else "not_stated",
            contributed=float(contributed[asset]),
            paid=float(paid[asset]),
        )
    for document in found.listed:
        if (document.venue, document.asset) not in used:
            held = document.balance
            yield FundAnswer(document.venue, document.asset, held, held, None, 0.0, 0.0)


def _conservation(found: Simulated) -> Iterator[ConservationAnswer]:
    names, at = _by_asset(found)
    ledger = found.outcome.ledger

    def total(column: Floats, asset: int) -> float:
        return float(column[at == asset].sum())

    for asset, name in enumerate(names):
        money_in = MoneyIn(
            wallets=total(ledger.before, asset),
            revaluation=total(ledger.revalued, asset),
            counterparties=total(ledger.realised, asset),
            funds=total(ledger.fund, asset),
            socialised=total(ledger.socialised, asset),
            venue=total(ledger.venue, asset),
        )
        money_out = MoneyOut(total(ledger.after, asset), total(ledger.fees, asset))
        came = sum(getattr(money_in, field) for field in money_in.__struct_fields__)
        yield ConservationAnswer(
            name, money_in, money_out, came, money_out.wallets + money_out.fees
        )


def _accounts(found: Simulated, levels: list[int]) -> list[SimulatedAccount]:
    account = found.batch.pools.account.tolist()
    touched = found.touched().tolist()
    shortfall, owed = found.of_pools("shortfall").tolist(), found.of_pools("owed").tolist()
    answers = [
        SimulatedAccount(each.account_key, _LEVELS[level], False, [])
        for each, level in zip(found.accounts, levels, strict=True)
    ]
    for pool in np.flatnonzero(found.touched()).tolist():
        answer = answers[account[pool]]
        answer.liquidated = touched[pool]
        name = found.keys[pool].settle
        row = next((row for row in answer.money if row.asset == name), None)
        if row is None:
            row = MoneyAnswer(name, 0.0, 0.0)
            answer.money.append(row)
        row.shortfall += shortfall[pool]
        row.owed += owed[pool]
    return answers


def _liquidations(found: Simulated) -> Iterator[LiquidationAnswer]:
    for each in found.outcome.rounds:
        closed = _closed_positions(found, each)
        whole = {pool: row for row, pool in enumerate(each.lost.tolist())}
        for row in each.in_order().tolist():
            pool = int(each.pools.pool[row])
            yield _liquidation(found, each, row, whole.get(pool), closed.get(pool, []))


def _liquidation(
    found: Simulated, each: Round, row: int, lost: int | None, closed: list[ClosedPosition]
) -> LiquidationAnswer:
    pools, shared = each.pools, each.shared
    pool = int(pools.pool[row])

    def of(name: str) -> float:
        return 0.0 if lost is None else float(getattr(shared, name)[lost])

    return LiquidationAnswer(
        account_id=found.accounts[int(found.batch.pools.account[pool])].account_key,
        pool=pool_named(found.keys[pool]),
        step=each.step,
        round=each.number,
        whole=lost is not None,
        level=_LEVELS[int(pools.level[row])],
        notional=float(pools.notional[row]),
        partial_steps=int(pools.steps[row]),
        fees=float(pools.step_fees[row]) + of("fees"),
        remainder=None if lost is None else float(each.losses.remainder[lost]),
        kept=of("kept"),
        contributed=of("contributed"),
        shortfall=of("shortfall"),
        fund=of("fund"),
        deleveraged=of("deleveraged"),
        socialised=of("socialised"),
        owed=of("owed"),
        venue=of("venue"),
        positions=closed,
    )


def _closed_positions(found: Simulated, each: Round) -> dict[int, list[ClosedPosition]]:
    by_pool: dict[int, list[ClosedPosition]] = {}
    legs = each.legs
    for row, pool in enumerate(legs.pool.tolist()):
        contracts = float(legs.contracts[row])
        position = ClosedPosition(
            symbol=found.table.market_key(int(legs.market[row]))[1],
            side="long" if contracts > 0.0 else "short",
            contracts=abs(contracts),
            mark_price=float(legs.mark[row]),
            fill_price=float(legs.fill[row]),
            notional=float(legs.notional[row]),
            beyond_depth=float(legs.beyond[row]),
        )
        by_pool.setdefault(pool, []).append(position)
    return by_pool


def _deleveraged(found: Simulated) -> Iterator[DeleveragedAnswer]:
    legs = found.batch.legs
    for each in found.outcome.rounds:
        for row in np.flatnonzero(each.shared.reduced > 0.0).tolist():
            leg = int(each.standing_legs[row])
            size = float(each.standing.size[row])
            market = int(each.standing.market[row])
            own = legs.contract_size[leg]
            unit = found.batch.markets.contract_size[market] if np.isnan(own) else own
            yield DeleveragedAnswer(
                account_id=found.accounts[
                    int(found.batch.pools.account[legs.pool[leg]])
                ].account_key,
                symbol=found.table.market_key(market)[1],
                side="long" if size > 0.0 else "short",
                contracts=float(each.shared.reduced[row] / unit),
                cost=float(each.shared.deleveraging_cost[row]),
                step=each.step,
                round=each.number,
            )
