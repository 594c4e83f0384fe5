"""An alert, a market, a cursor as the documents show them: of REST, of the stream, of webhooks."""

from service.contract.alerts import Alert, AlertPosition, CrossPool, ToRestore
from service.contract.cursor import encode_cursor
from service.contract.markets import (
    MarketActivity,
    MarketDay,
    MarketDivergence,
    MarketFunding,
    MarketRange,
    MarketView,
    MarketVolatility,
    OutsideBand,
)

EPOCH = "9f8a7c6d5e4b3a21"
CURSOR = encode_cursor(EPOCH, (17, 0, 4, 128))
POOL = CrossPool("USDT")
ALERT = Alert(
    id="desk-7-12",
    epoch=EPOCH,
    account_id="desk-7",
    seq=12,
    pool=POOL,
    level="MARGIN_CALL",
    previous_level="WARNING",
    transition="escalated",
    cause="mark",
    margin_ratio=0.8125,
    equity=800.0,
    maintenance_margin=650.0,
    margin_deficit=0.0,
    shortfall=0.0,
    owed=0.0,
    to_restore=ToRestore(deposit=644.45, reduce=[]),
    positions=[AlertPosition("BTC/USDT:USDT", "long", 60_600.0, 58_000.0, 57_500.0, 4.29)],
    market_id=48_211,
    account_version=3,
    event_time=1_760_130_000_000,
    timestamp=1_760_130_000_004,
)
MARKET = MarketView(
    venue="binance",
    symbol="BTC/USDT:USDT",
    mark_price=107_400.0,
    index_price=110_000.0,
    last_price=None,
    market_id=42,
    event_time=1_760_133_600_000,
    age_ms=120,
    quality="good",
    volatility=MarketVolatility(3.1, 3.6, 720, None),
    range=MarketRange(4.4, 61, None),
    day=MarketDay(122_000.0, 105_000.0, 0.1197, 0.0229, None),
    divergence=MarketDivergence(-0.0236, None),
    funding=MarketFunding(0.0001, 8.0, 0.1095),
    activity=MarketActivity(None, None, "not_given"),
    outside=[
        OutsideBand("volatile", 4.0, 1_760_133_480_000),
        OutsideBand("diverged", 0.02, 1_760_133_599_000),
    ],
)
