"""Accounts as the store keeps them: read in bulk, straight into columns.

`encode_document` writes them and nobody else does, so what these records do not ask was seen to
when the account came in.
"""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from service.contract.decoding import decode
from service.contract.names import Venue
from service.contract.numbers import Fraction, Number, Positive
from service.errors import ServiceError
from service.risk.columns import Floats, Statements, Words
from service.risk.model import Thresholds

_LINES = Thresholds()


class StoredBalance(Struct, gc=False):
    """An amount of one asset; stored accounts live on streamed prices alone."""

    asset: str
    amount: Number
    weight: Fraction = 1.0


class StoredPosition(Struct, rename="camel", gc=False):
    """An open position; NaN: not given."""

    symbol: str
    contracts: Positive
    side: Literal["long", "short"]
    entry_price: Positive
    margin_mode: Literal["isolated", "cross"]
    leverage: Positive = math.nan
    contract_size: Positive = math.nan
    margin: Number = math.nan


class StoredThresholds(Struct, rename="camel", frozen=True, gc=False):
    """Lines of the margin ratio, the defaults where none were given."""

    warning: float = _LINES.warning
    margin_call: float = _LINES.margin_call
    hysteresis: float = _LINES.hysteresis
    ease_after_ms: int = _LINES.ease_after_ms


class StoredRepeat(Struct, rename="camel", frozen=True, gc=False):
    """How often an alert is told again, 0: it is not, and until when."""

    every_ms: int = 0
    until: Literal["resolved", "acknowledged"] = "resolved"


class StoredAccount(Struct, rename="camel", gc=False):
    """One account."""

    venue: Venue
    collateral_mode: Literal["single", "multi"]
    balances: list[StoredBalance]
    positions: list[StoredPosition]
    thresholds: StoredThresholds = StoredThresholds()
    repeat: StoredRepeat = StoredRepeat()


_decoder = msgspec.json.Decoder(StoredAccount)


def read_statements(documents: Sequence[bytes]) -> tuple[Statements, dict[int, ServiceError]]:
    """Return the accounts that can be read, in order, and by place why the others cannot."""
    try:
        return _statements(list(map(_decoder.decode, documents))), {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # one by one, to see which it is
    accounts, unread = [], {}
    for place, document in enumerate(documents):
        try:
            accounts.append(decode(document, _decoder))
        except ServiceError as error:
            unread[place] = error
    return _statements(accounts), unread


def _statements(accounts: Sequence[StoredAccount]) -> Statements:
    positions = [row for account in accounts for row in account.positions]
    balances = [row for account in accounts for row in account.balances]
    lines = [account.thresholds for account in accounts]
    short = np.array([row.side == "short" for row in positions], np.bool_)
    size = _floats([row.contracts for row in positions])
    return Statements(
        venue=[account.venue for account in accounts],
        multi=np.array([account.collateral_mode == "multi" for account in accounts], np.bool_),
        warning=_floats([line.warning for line in lines]),
        margin_call=_floats([line.margin_call for line in lines]),
        hysteresis=_floats([line.hysteresis for line in lines]),
        ease_after_ms=np.array([line.ease_after_ms for line in lines], np.int64),
        repeat_every_ms=np.array([account.repeat.every_ms for account in accounts], np.int64),
        repeat_until_acknowledged=np.array(
            [account.repeat.until == "acknowledged" for account in accounts], np.bool_
        ),
        positions=np.array([len(account.positions) for account in accounts], np.int64),
        balances=np.array([len(account.balances) for account in accounts], np.int64),
        symbol=Words.of([row.symbol for row in positions]),
        isolated=np.array([row.margin_mode == "isolated" for row in positions], np.bool_),
        contracts=np.where(short, -size, size),
        contract_size=_floats([row.contract_size for row in positions]),
        entry_price=_floats([row.entry_price for row in positions]),
        leverage=_floats([row.leverage for row in positions]),
        margin=_floats([row.margin for row in positions]),
        mark=np.full(len(positions), np.nan),
        asset=Words.of([row.asset for row in balances]),
        amount=_floats([row.amount for row in balances]),
        weight=_floats([row.weight for row in balances]),
        price=np.full(len(balances), np.nan),
    )


def _floats(values: list[float]) -> Floats:
    return np.array(values, np.float64)
