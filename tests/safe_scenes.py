"""Accounts that are not liquidated yet: what has prices worth solving for."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st

from service.risk.model import GENERIC_VENUE, Account, Balance, CollateralMode
from tests.reference.legs import isolated_wallet
from tests.reference.pools import figures, pools_of
from tests.reference.world import World, asset_price
from tests.strategies import COINS, SYMBOLS, VENUES, positions, thresholds, worlds


@st.composite
def safe_scenes(draw: st.DrawFn) -> tuple[World, Account]:
    """A world without gaps and an account whose pools are safe: by a little, or by a lot.

    Hedged more often than not, sizes about the tables' floors: what has prices worth solving for.
    """
    venue = draw(st.sampled_from(VENUES))
    symbols = tuple(draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=2, unique=True)))
    world = draw(worlds(venue, symbols, whole=True))
    legs = st.tuples(st.sampled_from(symbols), st.booleans())
    taken = draw(st.lists(legs, min_size=1, max_size=4, unique=True))
    held = [
        draw(positions(world, venue, symbol, long, moneys=st.floats(1e3, 1e5)))
        for symbol, long in taken
    ]
    if draw(st.integers(0, 3)):
        held = [replace(position, isolated=False, margin=None) for position in held]
    modes: tuple[CollateralMode, ...] = ("single", "multi")
    mode = draw(st.sampled_from(modes))
    coins = []
    if mode == "multi":
        for asset in draw(st.lists(st.sampled_from(COINS), unique=True)):
            price = world.marks[GENERIC_VENUE, f"{asset}/USD"].mark_price
            coins.append(Balance(asset, draw(st.floats(-0.5, 2.0)) * 1e4 / price))
    account = Account("a", venue, mode, tuple(coins), tuple(held), draw(thresholds()))
    return world, _made_safe(account, world, draw(st.floats(1e-4, 0.1) | st.floats(0.1, 3.0)))


def _made_safe(account: Account, world: World, part: float) -> Account:
    """Add to each pool what it is short of, and `part` of its requirement and PnL besides."""
    balances, margins = list(account.balances), {}
    for pool in pools_of(account, world):
        worth = figures(pool)
        if worth is None or not pool.legs:
            continue
        room = part * (worth.maintenance + abs(worth.pnl) + worth.initial)
        missing = float(room - worth.excess)
        if pool.key.kind == "isolated":
            leg = pool.legs[0]
            margins[leg.position] = float(isolated_wallet(leg)) + missing
        else:
            asset = "USDT" if pool.multi else pool.key.settle
            price = asset_price(world, account.venue, asset) if pool.multi else Fraction(1)
            balances.append(Balance(asset, missing / float(price or 1)))
    held = tuple(
        replace(position, margin=margins.get(position, position.margin))
        for position in account.positions
    )
    return replace(account, balances=tuple(balances), positions=held)
