"""One position of ccxt's `fetch_positions()`, by what its venue means with each number.

ccxt's `collateral` of an isolated position has its PnL in on some venues and not on others, cross
leverage can be 0, a margin mode or a mark can be missing: what is missing is in `info`, under the
venue's own name, or it is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.contract.positions import MarginMode, PositionDocument
from service.unified.figures import Json, mapped, number, within
from service.unified.records import NotRead, Remark, Terms

LEVERAGE_ROUNDED = 1e-3  # relative; a venue prints initial margins with a few digits

InfoPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """Where a venue says in `info` what ccxt leaves out, or understands in its own way.

    `margin`: an isolated position's margin without unrealised PnL; where it is empty, ccxt's
    `collateral` is that with the PnL in. `size`: the signed size. `initial`: the initial margin
    that gives the leverage. `leverage`: of cross positions, where ccxt's is another thing.
    """

    margin: tuple[InfoPath, ...] = ()
    size: InfoPath = ()
    initial: InfoPath = ()
    leverage: InfoPath = ()
    value: InfoPath = ()  # notional at the mark, in a venue's frames that have no mark


# fmt: off
WORDS: Mapping[str, Words] = {
    "binance": Words(margin=(("isolatedWallet",),), size=("positionAmt",), initial=("positionInitialMargin",)),  # noqa: E501
    "bybit": Words(margin=(("positionBalance",),)),
    "bybit-classic": Words(),  # margin: by the bankruptcy price, see below
    "okx": Words(margin=(("margin",),), size=("pos",)),
    "hyperliquid": Words(size=("position", "szi"), value=("position", "positionValue")),
    "gate": Words(margin=(("margin",),), size=("size",), leverage=("cross_leverage_limit",)),
    "bitget": Words(margin=(("marginSize",), ("positionBalance",))),
}
# fmt: on


def read_position(venue: str, row: Json, terms: Terms) -> tuple[PositionDocument, list[Remark]]:
    """Return a position that is open, its mark with it; raises NotRead."""
    words, remarks = WORDS[venue], list[Remark]()
    symbol = row.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise NotRead("/symbol", "missing_field", "a position has a symbol")
    contracts = _contracts(venue, row, symbol)
    mode = _margin_mode(venue, row, terms)
    leverage = _leverage(words, row, mode, remarks)
    document = PositionDocument(
        symbol=symbol,
        contracts=contracts,
        side=_side(words, row),  # type: ignore[arg-type]  # one of the two, or NotRead
        entry_price=number(row.get("entryPrice")),
        margin_mode=mode,
        leverage=leverage,
        contract_size=number(row.get("contractSize")),
        mark_price=_mark(words, row, remarks),
        margin=_margin(venue, words, row) if mode == "isolated" else None,
        stop_loss_price=_stop(row, "stopLossPrice"),
        take_profit_price=_stop(row, "takeProfitPrice"),
    )
    if mode == "isolated" and document.margin is None:
        raise NotRead("/collateral", "missing_margin", "what backs this position is not said")
    return document, remarks


def is_open(row: Json) -> bool:
    """Whether there is a position at all; venues list those of size 0, too."""
    return number(row.get("contracts")) != 0.0


def _contracts(venue: str, row: Json, symbol: str) -> float:
    contracts = number(row.get("contracts"))
    if contracts is None:
        raise NotRead("/contracts", "missing_field", "a position has a size")
    base, _, settle = symbol.partition(":")
    if venue == "bitget" and base.split("/")[0] == settle.split("-")[0]:
        detail = "whether bitget's sizes of coin-margined contracts count coins is not known"
        raise NotRead("/contracts", "size_unit_unknown", detail)
    return contracts


def _side(words: Words, row: Json) -> str:
    side = row.get("side")
    if side in ("long", "short"):
        return str(side)
    # ccxt goes by the notional's sign, which is lost where the notional is rounded to 0.
    size = number(within(row.get("info"), *words.size)) if words.size else None
    if not size:
        raise NotRead("/side", "missing_field", "whether it is long or short is not said")
    return "long" if size > 0.0 else "short"


def _margin_mode(venue: str, row: Json, terms: Terms) -> MarginMode:
    said = row.get("marginMode")
    if said == "isolated" or said == "cross":  # noqa: PLR1714 - the type narrows by this form
        return said
    info = mapped(row.get("info"))
    if venue in ("bybit", "bybit-classic") and number(info.get("tradeMode")) == 1.0:
        return "isolated"
    if terms.margin_mode is not None:
        return terms.margin_mode
    if number(info.get("positionBalance")):
        # A unified account's mode is the account's own, and in no position.
        raise NotRead("/marginMode", "margin_mode_unknown", "say the account's margin mode")
    return "cross"


def _leverage(words: Words, row: Json, mode: MarginMode, remarks: list[Remark]) -> float | None:
    info = row.get("info")
    said = number(row.get("leverage"))
    if mode == "cross" and words.leverage:
        said = number(within(info, *words.leverage))
    if said is not None and said > 0.0:
        return said
    notional = number(row.get("notional"))
    initial = number(within(info, *words.initial)) if words.initial else None
    if not notional or not initial:
        return None
    exact = abs(notional) / initial
    if exact < 0.5 or abs(exact - round(exact)) > LEVERAGE_ROUNDED * exact:
        return None
    detail = "leverage worked out as notional over initial margin"
    remarks.append(Remark("/leverage", "worked_out", detail))
    return float(round(exact))


def _mark(words: Words, row: Json, remarks: list[Remark]) -> float | None:
    mark = number(row.get("markPrice"))
    if mark is not None and mark > 0.0:
        return mark
    info = row.get("info")
    value = number(within(info, *words.value)) if words.value else None
    size = number(within(info, *words.size)) if words.size else None
    if not value or not size:
        return None
    remarks.append(Remark("/markPrice", "worked_out", "mark worked out as value over size"))
    return abs(value / size)


def _margin(venue: str, words: Words, row: Json) -> float | None:
    """Return an isolated position's margin without its PnL."""
    info = mapped(row.get("info"))
    if venue == "bybit-classic":
        return _down_to_bankruptcy(row, info)
    for path in words.margin:
        found = number(within(info, *path))
        if found is not None:
            return found
    collateral = number(row.get("collateral"))
    if collateral is None or words.margin:
        return None
    return collateral - (number(row.get("unrealizedPnl")) or 0.0)


def _down_to_bankruptcy(row: Json, info: Json) -> float | None:
    """Return what a classic account of bybit may lose down to the bankruptcy price.

    `positionBalance` has the fee of closing there in it, which backs nothing.
    """
    size, entry = number(row.get("contracts")), number(row.get("entryPrice"))
    bankruptcy = number(info.get("bustPrice"))
    if not size or not entry or not bankruptcy:
        return None
    symbol = str(row.get("symbol"))
    if symbol.partition(":")[2] == symbol.partition("/")[0]:
        return size * abs(1.0 / entry - 1.0 / bankruptcy)
    return size * abs(entry - bankruptcy)


def _stop(row: Json, name: str) -> float | None:
    """Return a stop; 0 where the venue says that there is none, None where it says nothing."""
    value = number(row.get(name))
    return value if value is not None and value >= 0.0 else None
