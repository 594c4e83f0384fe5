"""A few hundred accounts such as one meets: isolated, cross, hedged, coin-margined, baskets.

Each holds what it would lose, maintenance included, in a fall of its own `stress`: a crash reaches
them one after another. Seeded: the same seed gives the same accounts.
"""

from collections.abc import Callable
from random import Random

from service.demo import markets
from service.demo.markets import Document

LINEAR = tuple(
    f"{base}/USDT:USDT"
    for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "ADA", "LINK", "AVAX", "LTC")
)
INVERSE = ("BTC/USD:BTC", "ETH/USD:ETH")
HYPERLIQUID = ("BTC/USDC:USDC", "ETH/USDC:USDC", "SOL/USDC:USDC")
COLLATERAL_WEIGHTS = {"USDT": 0.9999, "BTC": 0.95, "ETH": 0.95}


def demo_accounts(count: int = 320, seed: int = 7) -> list[Document]:
    """Return `count` accounts as `POST /v1/accounts:batch` takes them, at the start prices."""
    random = Random(seed)
    makers = [maker for maker, share in _SHARES for _ in range(share)]
    return [makers[number % len(makers)](random, number + 1) for number in range(count)]


def _stress(random: Random) -> float:
    """The fall of the market that an account survives, a fraction: half of them under 18 %."""
    return min(0.6, max(0.025, random.lognormvariate(-1.75, 0.6)))


def _size(random: Random, median_usd: float = 20_000.0) -> float:
    return min(60e6, random.lognormvariate(0.0, 1.3) * median_usd)


def _leg(
    random: Random, symbol: str, side: str, notional_usd: float, venue: str = "binance"
) -> Document:
    mark = markets.start_price(symbol)
    size = markets.contract_size(venue, symbol)
    contracts = notional_usd / (size if symbol in INVERSE else size * mark)
    return {
        "symbol": symbol,
        "side": side,
        "contracts": max(1.0, round(contracts)) if symbol in INVERSE else float(f"{contracts:.3g}"),
        "entryPrice": float(f"{mark * random.uniform(0.985, 1.015):.6g}"),
        "marginMode": "cross",
        "leverage": random.choice((3, 5, 10, 20)),
    }


def _need(leg: Document, stress: float, venue: str = "binance") -> float:
    """Wallet money at which `leg` alone is just liquidated once the market has moved against it.

    Settle asset; `stress` is the fall of the market as a fraction, for a short its rise.
    """
    symbol, sign = leg["symbol"], 1.0 if leg["side"] == "long" else -1.0
    mark = markets.start_price(symbol) * (1.0 - sign * stress * markets.beta(symbol))
    amount = leg["contracts"] * markets.contract_size(venue, symbol)
    if symbol in INVERSE:
        notional = amount / mark
        pnl = sign * amount * (1.0 / leg["entryPrice"] - 1.0 / mark)
    else:
        notional = amount * mark
        pnl = sign * amount * (mark - leg["entryPrice"])
    return float(notional * markets.maintenance_rate(venue, symbol, notional) - pnl)


def _healthy(legs: list[Document], venue: str = "binance") -> float:
    """Wallet money with which the legs start below the warning line."""
    maintenance = 0.0
    for leg in legs:
        notional = leg["contracts"] * markets.contract_size(venue, leg["symbol"])
        mark = markets.start_price(leg["symbol"])
        notional = notional / mark if leg["symbol"] in INVERSE else notional * mark
        maintenance += notional * markets.maintenance_rate(venue, leg["symbol"], notional)
    return 1.6 * maintenance + sum(_need(leg, 0.0, venue) for leg in legs)


def _account(
    kind: str, number: int, venue: str, balances: dict[str, float], legs: list[Document]
) -> Document:
    return {
        "id": f"{kind}-{number:03d}",
        "venue": venue,
        "balances": [
            {"asset": asset, "amount": float(f"{amount:.6g}")} for asset, amount in balances.items()
        ],
        "positions": legs,
    }


def _isolated(random: Random, number: int) -> Document:
    legs = []
    for symbol in random.sample(LINEAR, random.choice((1, 1, 2))):
        leg = _leg(random, symbol, random.choice(("long", "long", "long", "short")), _size(random))
        margin = float(f"{max(_healthy([leg]), _need(leg, _stress(random))):.6g}")
        legs.append({**leg, "marginMode": "isolated", "margin": margin})
    return _account("isolated", number, "binance", {"USDT": random.uniform(0.0, 5_000.0)}, legs)


def _cross(random: Random, number: int) -> Document:
    legs = [
        _leg(random, symbol, random.choice(("long", "long", "long", "short")), _size(random))
        for symbol in random.sample(LINEAR, random.randint(2, 6))
    ]
    return _with_wallet(random, "cross", number, legs)


def _hedged(random: Random, number: int) -> Document:
    first, other = random.sample(LINEAR, 2)
    size = _size(random, 60_000.0)
    legs = [
        _leg(random, first, "long", size),
        _leg(random, first, "short", size * random.uniform(0.2, 0.9)),
        _leg(random, other, "long", size * random.uniform(0.1, 0.5)),
    ]
    return _with_wallet(random, "hedged", number, legs)


def _whale(random: Random, number: int) -> Document:
    legs = [_leg(random, symbol, "long", random.uniform(8e6, 60e6)) for symbol in LINEAR[:2]]
    return _with_wallet(random, "whale", number, legs)


def _with_wallet(random: Random, kind: str, number: int, legs: list[Document]) -> Document:
    # One fall for all legs: it is against the longs and, seen from a short, a rise below zero.
    stress = _stress(random)
    need = sum(_need(leg, stress if leg["side"] == "long" else -stress) for leg in legs)
    return _account(kind, number, "binance", {"USDT": max(need, _healthy(legs))}, legs)


def _inverse(random: Random, number: int) -> Document:
    symbol = random.choice(INVERSE)
    leg = _leg(random, symbol, "long", _size(random, 80_000.0))
    coin = symbol.partition("/")[0]
    return _account(
        "inverse",
        number,
        "binance",
        {coin: max(_healthy([leg]), _need(leg, _stress(random)))},
        [leg],
    )


def _basket(random: Random, number: int) -> Document:
    """Collateral in coins that fall with the position they back."""
    stress = _stress(random)
    legs = [_leg(random, symbol, "long", _size(random)) for symbol in random.sample(LINEAR[2:], 2)]
    need_usd = max(_healthy(legs), sum(_need(leg, stress) for leg in legs))
    after = {
        "USDT": 1.0,
        **{c: markets.start_price(c) * (1.0 - stress * markets.beta(c)) for c in ("BTC", "ETH")},
    }
    shares = {"USDT": 0.4, "BTC": 0.35, "ETH": 0.25}
    balances = {
        asset: share * need_usd / after[asset] / COLLATERAL_WEIGHTS[asset]
        for asset, share in shares.items()
    }
    account = _account("basket", number, "binance", balances, legs)
    weighted = [{**b, "weight": COLLATERAL_WEIGHTS[b["asset"]]} for b in account["balances"]]
    return {**account, "collateralMode": "multi", "balances": weighted}


def _hyperliquid(random: Random, number: int) -> Document:
    stress = _stress(random)
    legs = [
        _leg(random, symbol, "long", _size(random, 40_000.0), "hyperliquid")
        for symbol in random.sample(HYPERLIQUID, 2)
    ]
    need = max(
        _healthy(legs, "hyperliquid"), sum(_need(leg, stress, "hyperliquid") for leg in legs)
    )
    return _account("hyperliquid", number, "hyperliquid", {"USDC": need}, legs)


def _bybit(random: Random, number: int) -> Document:
    leg = _leg(random, "BTC/USDT:USDT", "long", min(3e6, _size(random, 50_000.0)), "bybit")
    need = (
        max(_healthy([leg], "bybit"), _need(leg, _stress(random), "bybit")) * 1.02
    )  # its fee to close is inside the requirement
    return _account("bybit", number, "bybit", {"USDT": need}, [leg])


_Maker = Callable[[Random, int], Document]

_SHARES: tuple[tuple[_Maker, int], ...] = (
    (_isolated, 11),
    (_cross, 9),
    (_hedged, 4),
    (_inverse, 3),
    (_basket, 2),
    (_hyperliquid, 1),
    (_bybit, 1),
    (_whale, 1),
)
