"""What the contract's document shows for `GET /v1/markets`."""

import msgspec

from service.contract.examples import MARKET

MARKETS_EXAMPLE = {
    "timestamp": 1_760_133_600_120,
    "bands": {"volatility": 4.0, "divergence": 0.02, "hysteresis": 0.2},
    "markets": [msgspec.to_builtins(MARKET)],
}
