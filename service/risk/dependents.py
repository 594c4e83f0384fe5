"""Which pools depend on the price of an asset: those that count several assets in one money."""

from array import array

import numpy as np

from service.risk.columns import Ints


class Dependents:
    """Slots by asset; a slot that is dead by now may still be named."""

    def __init__(self) -> None:
        self._slots: dict[int, array[int]] = {}

    def add(self, slots: Ints, assets: Ints) -> None:
        """Note that each of these pools depends on the asset beside it (a pair may come twice)."""
        pairs = {*zip(assets.tolist(), slots.tolist(), strict=True)}
        for asset, slot in sorted(pairs):
            self._slots.setdefault(asset, array("i")).append(slot)

    def of(self, asset: int) -> Ints:
        """Return the pools noted for an asset."""
        return np.array(self._slots.get(asset, array("i")), np.int64)
