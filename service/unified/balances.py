"""What backs the cross positions of an account, by venue: wallets without unrealised PnL.

ccxt's `total` is with the PnL on binance, okx, hyperliquid and bitget, without it on bybit and
gate, and has the margin of isolated positions in it everywhere. So it is not read: `info` is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.contract.accounts import BalanceDocument
from service.contract.positions import PositionDocument
from service.unified.figures import Json, mapped, number, objects, within
from service.unified.records import CollateralMode, NotRead, Remark, Terms

WEIGHT_DIGITS = 4  # what two rounded values of okx say of a haircut
PAR = frozenset({"USD", "USDC", "USDT"})  # haircuts of these are below what is rounded anyway


@dataclass(frozen=True, slots=True)
class Wallet:
    """One asset. `weight`: its haircut where the venue says it; `price`: in USD, the same.

    `counts`: whether the venue takes it as collateral at all.
    """

    asset: str
    amount: float
    weight: float | None = None
    price: float | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Funds:
    """All wallets of an account, and how they back its positions."""

    wallets: list[Wallet]
    mode: CollateralMode = "single"


Isolated = Mapping[str, float]  # settle asset -> margin of its isolated positions, without PnL
Read = Callable[[Json, Isolated], Funds]


def read_balances(
    venue: str, balance: Json, positions: Sequence[PositionDocument], terms: Terms
) -> tuple[list[BalanceDocument], CollateralMode, list[Remark]]:
    """Return balances, how they back positions, and what was left out; raises NotRead."""
    found = READERS[venue](balance, _isolated(positions))
    mode = terms.collateral_mode or found.mode
    wallets = [one for one in found.wallets if one.amount != 0.0]
    if mode == "multi" and terms.collateral_mode is None and len(wallets) == 1:
        mode = "single"  # one asset backs itself: no price of it in USD is needed
    remarks: list[Remark] = []
    kept = [
        document
        for wallet in wallets
        if (document := _document(wallet, mode, terms, remarks)) is not None
    ]
    return kept, mode, remarks


def _document(
    wallet: Wallet, mode: CollateralMode, terms: Terms, remarks: list[Remark]
) -> BalanceDocument | None:
    if mode == "single":
        return BalanceDocument(wallet.asset, wallet.amount)
    if wallet.amount > 0.0 and not wallet.counts:
        return None
    weight = terms.weights.get(wallet.asset, wallet.weight)
    if weight is None and (wallet.amount < 0.0 or wallet.asset in PAR):
        weight = 1.0
    if weight is None:
        # Less collateral than there is warns too early, more would warn too late.
        detail = f"{wallet.asset} is left out: its haircut is not said; give its weight"
        remarks.append(Remark("/info", "weight_unknown", detail))
        return None
    return BalanceDocument(wallet.asset, wallet.amount, weight, wallet.price)


def _isolated(positions: Sequence[PositionDocument]) -> Isolated:
    taken: dict[str, float] = {}
    for row in positions:
        if row.margin_mode == "isolated":
            settle = row.symbol.partition(":")[2].split("-")[0]
            taken[settle] = taken.get(settle, 0.0) + (row.margin or 0.0)
    return taken


def _binance(balance: Json, _isolated: Isolated) -> Funds:
    """`crossWalletBalance`: neither PnL nor isolated margin is in it."""
    info = balance.get("info")
    rows = objects(within(info, "assets"))
    if not rows:
        detail = "not a futures account's answer; portfolio margin is computed by other rules"
        raise NotRead("/info/assets", "not_a_futures_account", detail)
    wallets = [_wallet(row, "asset", "crossWalletBalance") for row in rows]
    multi = within(info, "multiAssetsMargin") in (True, "true")
    return Funds(wallets, "multi" if multi else "single")


def _bybit(balance: Json, isolated: Isolated) -> Funds:
    """`walletBalance`: without PnL, the margin of isolated positions in it."""
    account = mapped(within(balance.get("info"), "result", "list", 0))
    rows = objects(account.get("coin"))
    if not rows:
        raise NotRead("/info/result/list", "not_a_futures_account", "no coins are listed")
    wallets = []
    for row in rows:
        wallet = _wallet(row, "coin", "walletBalance")
        equity, value = number(row.get("equity")), number(row.get("usdValue"))
        counts = row.get("marginCollateral") is not False and row.get("collateralSwitch") in (
            None,
            True,
            "true",
        )
        amount = wallet.amount - isolated.get(wallet.asset, 0.0)
        price = value / equity if equity and value and value / equity > 0.0 else None
        wallets.append(Wallet(wallet.asset, amount, None, price, counts))
    return Funds(wallets, "multi" if account.get("accountType") == "UNIFIED" else "single")


def _okx(balance: Json, _isolated: Isolated) -> Funds:
    """Equity less what isolated positions have, less the PnL of cross ones: of one moment."""
    account = mapped(within(balance.get("info"), "data", 0))
    rows = objects(account.get("details"))
    if not rows:
        raise NotRead("/info/data", "not_a_futures_account", "no details are listed")
    wallets = []
    for row in rows:
        equity = _wallet(row, "ccy", "eq").amount
        apart, profit, profit_apart, bots, value, discounted = (
            number(row.get(name)) or 0.0
            for name in ("isoEq", "upl", "isoUpl", "stgyEq", "eqUsd", "disEq")
        )
        amount = equity - apart - (profit - profit_apart) - bots
        price = value / equity if equity * value > 0.0 else None
        weight = (
            round(min(1.0, discounted / value), WEIGHT_DIGITS)
            if value > 0.0 and discounted >= 0.0
            else None
        )
        wallets.append(Wallet(str(row.get("ccy")), amount, weight, price))
    return Funds(wallets, "multi" if number(account.get("adjEq")) is not None else "single")


def _hyperliquid(balance: Json, _isolated: Isolated) -> Funds:
    """The value of the cross account less the PnL of cross positions, of the same answer."""
    info = mapped(balance.get("info"))
    if "crossMarginSummary" not in info:
        detail = "a unified account's spot balances do not say what backs perpetuals"
        raise NotRead("/info/crossMarginSummary", "not_a_futures_account", detail)
    value = number(within(info, "crossMarginSummary", "accountValue"))
    rows = [mapped(row.get("position")) for row in objects(info.get("assetPositions"))]
    cross = [row for row in rows if within(row, "leverage", "type") == "cross"]
    profits = [number(row.get("unrealizedPnl")) for row in cross]
    if value is None or None in profits:
        raise NotRead("/info/crossMarginSummary", "not_a_number", "the account's value is not said")
    return Funds([Wallet("USDC", value - sum(profit or 0.0 for profit in profits))])


def _gate(balance: Json, isolated: Isolated) -> Funds:
    """`total`: without PnL, the margin of isolated positions in it."""
    said = balance.get("info")
    rows = objects(said) or [mapped(said)]
    wallets = []
    for row in rows:
        if number(row.get("margin_mode")):
            detail = "a unified account's balances are not in its futures account"
            raise NotRead("/info/margin_mode", "not_a_futures_account", detail)
        wallet = _wallet(row, "currency", "total")
        wallets.append(Wallet(wallet.asset, wallet.amount - isolated.get(wallet.asset, 0.0)))
    return Funds(wallets)


def _bitget(balance: Json, isolated: Isolated) -> Funds:
    """`accountEquity` less all PnL, less the margin of isolated positions."""
    wallets = []
    for row in objects(balance.get("info")) or [{}]:
        if "accountEquity" not in row or row.get("assetMode") == "union":
            detail = "neither unified accounts nor joint collateral (`union`) are understood"
            raise NotRead("/info", "not_a_futures_account", detail)
        wallet = _wallet(row, "marginCoin", "accountEquity")
        profit = number(row.get("unrealizedPL")) or 0.0
        amount = wallet.amount - profit - isolated.get(wallet.asset, 0.0)
        wallets.append(Wallet(wallet.asset, amount))
    return Funds(wallets)


def _wallet(row: Json, asset: str, amount: str) -> Wallet:
    name, found = row.get(asset), number(row.get(amount))
    if not isinstance(name, str) or not name or found is None:
        raise NotRead("/info", "not_a_number", f"an asset's {amount} is not said")
    return Wallet(name, found)


READERS: Mapping[str, Read] = {
    "binance": _binance,
    "bybit": _bybit,
    "bybit-classic": _bybit,
    "okx": _okx,
    "hyperliquid": _hyperliquid,
    "gate": _gate,
    "bitget": _bitget,
}
