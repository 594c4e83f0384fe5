"""What each venue is asked, and how: where one call does not say all of an account.

ccxt's `fetch_positions` returns one settle asset's on bybit and gate and one product's on bitget.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.sync.configured import SyncedAccount
from service.unified.figures import listed, mapped, number, within

Query = Mapping[str, object]

# The most that a call answers; as many may not be all.
PAGES = {"bybit": 200}
_PRODUCTS = {"USDT": "USDT-FUTURES", "USDC": "USDC-FUTURES"}


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key may do; None: the venue does not say."""

    may_trade: bool | None
    said: str


def queries_of(account: SyncedAccount) -> Iterator[Query]:
    """Yield the parameters of each call for positions that an account takes."""
    match account.exchange:
        case "bybit":
            for settle in account.settles or ("USDT", "USDC"):
                yield {"subType": "linear", "settleCoin": settle}
            if not account.settles:
                yield {"subType": "inverse"}
        case "gate" | "gateio":
            for settle in account.settles or ("USDT",):
                yield {"type": "swap", "settle": settle.lower()}
        case "bitget":
            for settle in account.settles or ("USDT",):
                yield {"productType": _PRODUCTS[settle], "marginCoin": settle}
        case _:
            yield {}


def balance_of(account: SyncedAccount) -> dict[str, object]:
    """Return the parameters of the call for the balance."""
    settle = next(iter(account.settles), "USDT")
    match account.exchange:
        case "gate" | "gateio":
            return {"type": "swap", "settle": settle.lower()}
        case "bitget":
            return {"productType": _PRODUCTS[settle]}
        case "okx":
            return {}
        case _:
            return {"type": "swap"}


async def permissions_of(exchange: Any, name: str) -> Permissions:
    """Ask what the key may do, where the venue has a call for that."""
    match name:
        case "binance" | "binanceusdm" | "binancecoinm":
            told = mapped(await exchange.sapiGetAccountApiRestrictions())
            rights = [key for key, value in told.items() if key.startswith("enable") and value]
            reading = {"enableReading", "enableFixApiTrade", "enableFixReadOnly"}
            return _permissions(rights, [right for right in rights if right not in reading])
        case "bybit":
            told = mapped(within(await exchange.privateGetV5UserQueryApi(), "result"))
            reads = number(told.get("readOnly"))
            said = "read only" if reads == 1.0 else "read and write"
            return Permissions(None if reads is None else reads != 1.0, said)
        case "okx":
            told = mapped(within(await exchange.privateGetAccountConfig(), "data", 0))
            rights = [part for part in str(told.get("perm", "")).split(",") if part]
            return _permissions(rights, [right for right in rights if right != "read_only"])
        case "bitget":
            answer = await exchange.privateSpotGetV2SpotAccountInfo()
            rights = [str(one) for one in listed(within(answer, "data", "authorities"))]
            return _permissions(rights, [right for right in rights if right.endswith("w")])
        case "hyperliquid":
            return Permissions(False, "an address, no key")
    return Permissions(None, "the venue does not say")


def _permissions(rights: list[str], beyond: list[str]) -> Permissions:
    if not rights:
        return Permissions(None, "the venue does not say")
    return Permissions(bool(beyond), ", ".join(sorted(rights)))
