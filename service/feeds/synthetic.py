"""A seeded market: correlated jump-diffusion, and a crash with its recovery when asked for.

Log prices follow  d ln S = sigma dW + J dN + drift of the crash,  with dW correlated over assets
(one common factor), jumps common to all assets and a few of an asset's own. The seed and the
sequence of calls decide every price.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.feeds.tape import MarkDoc

Floats = NDArray[np.float64]

YEAR_S = 365.0 * 86_400.0


@dataclass(frozen=True, slots=True)
class Asset:
    """One underlying. `volatility` is a year's, a fraction; `beta` scales jumps and crashes."""

    name: str
    price: float
    volatility: float
    beta: float
    markets: tuple[tuple[str, str], ...]  # (venue, symbol) listed on it
    decimals: int = 4


@dataclass(frozen=True, slots=True)
class Crash:
    """A fall by `depth` (a fraction, at beta 1), a pause, then `recovered` of it regained."""

    depth: float = 0.28
    fall_s: float = 20.0
    pause_s: float = 6.0
    recovery_s: float = 20.0
    recovered: float = 0.9

    @property
    def bottom_s(self) -> float:
        """When prices begin to come back, from the crash's start."""
        return self.fall_s + self.pause_s

    @property
    def length_s(self) -> float:
        return self.bottom_s + self.recovery_s

    def path(self, elapsed_s: float) -> float:
        """The crash's share of ln S at beta 1, 0 before it; falls fast first, as panics do."""
        bottom = float(np.log1p(-self.depth))
        if elapsed_s <= 0.0:
            return 0.0
        if elapsed_s < self.fall_s:
            return bottom * float((elapsed_s / self.fall_s) ** 0.7)
        back_s = elapsed_s - self.bottom_s
        return bottom * (1.0 - self.recovered * min(1.0, max(0.0, back_s / self.recovery_s)))


class SyntheticMarket:
    """Steps all assets together; `crash_now` starts a crash on top of whatever goes on."""

    def __init__(
        self,
        assets: Sequence[Asset],
        seed: int,
        *,
        correlation: float = 0.7,
        common_jumps_a_day: float = 24.0,
        own_jumps_a_day: float = 12.0,
        jump_size: float = 0.004,
        basis: float = 0.0003,
    ) -> None:
        assert 0.0 <= correlation < 1.0
        assert all(asset.price > 0.0 for asset in assets)
        self._assets = tuple(assets)
        self._random = np.random.default_rng(seed)
        self._volatility = np.array([asset.volatility for asset in assets])
        self._beta = np.array([asset.beta for asset in assets])
        self._log_price = np.log([asset.price for asset in assets])
        self._correlation = correlation
        self._jumps_a_second = np.array([common_jumps_a_day, own_jumps_a_day]) / 86_400.0
        self._jump_size = jump_size
        self._basis = basis
        self._crash: Crash | None = None
        self._crash_elapsed_s = 0.0

    @property
    def prices(self) -> dict[str, float]:
        """The price of each asset now, by its name."""
        return {
            asset.name: float(price)
            for asset, price in zip(self._assets, np.exp(self._log_price), strict=True)
        }

    @property
    def crashing(self) -> bool:
        return self._crash is not None

    @property
    def phase(self) -> str | None:
        """What the crash is doing, in a word; None when there is none."""
        if self._crash is None:
            return None
        if self._crash_elapsed_s < self._crash.fall_s:
            return "falling"
        return "recovering" if self._crash_elapsed_s > self._crash.bottom_s else "at the bottom"

    def crash_now(self, crash: Crash) -> None:
        """Start `crash` with the next step; one that is under way is cut short where it stands."""
        self._crash = crash
        self._crash_elapsed_s = 0.0

    def step(self, elapsed_s: float) -> list[MarkDoc]:
        """Move everything by `elapsed_s` (> 0) of market time; return a mark of each market."""
        assert elapsed_s > 0.0
        self._log_price = (
            self._log_price
            + self._diffusion(elapsed_s)
            + self._jumps(elapsed_s)
            + self._beta * self._crash_move(elapsed_s)
        )
        return self.marks()

    def marks(self) -> list[MarkDoc]:
        """A mark of each market as of now; venues differ by a basis of hundredths of a percent."""
        index = np.exp(self._log_price)
        marks: list[MarkDoc] = []
        for asset, price in zip(self._assets, index.tolist(), strict=True):
            for venue, symbol in asset.markets:
                premium = 1.0 + self._basis * float(self._random.uniform(-1.0, 1.0))
                marks.append(
                    {
                        "venue": venue,
                        "symbol": symbol,
                        "markPrice": round(price * premium, asset.decimals),
                        "indexPrice": round(price, asset.decimals),
                    }
                )
        return marks

    def _diffusion(self, elapsed_s: float) -> Floats:
        common = self._random.standard_normal()
        own = self._random.standard_normal(len(self._assets))
        mixed = np.sqrt(self._correlation) * common + np.sqrt(1.0 - self._correlation) * own
        moved: Floats = self._volatility * np.sqrt(elapsed_s / YEAR_S) * mixed
        return moved

    def _jumps(self, elapsed_s: float) -> Floats:
        chance = -np.expm1(-self._jumps_a_second * elapsed_s)
        count = len(self._assets)
        common = self._random.random() < chance[0]
        own = self._random.random(count) < chance[1]
        sizes = self._jump_size * self._random.standard_normal(count + 1)
        jumped: Floats = common * sizes[0] * self._beta + own * sizes[1:]
        return jumped

    def _crash_move(self, elapsed_s: float) -> float:
        if self._crash is None:
            return 0.0
        before = self._crash.path(self._crash_elapsed_s)
        self._crash_elapsed_s += elapsed_s
        move = self._crash.path(self._crash_elapsed_s) - before
        if self._crash_elapsed_s >= self._crash.length_s:
            self._crash = None
        return move
