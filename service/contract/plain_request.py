"""The evaluate call as most ask it: accounts of positions and balances, and nothing wrong with it.

Its accounts become columns where they are read, without a record of any. Whatever else a call may
have in it, and whatever may be wrong, is left to `evaluate_request`, which says so in words.
"""

import secrets
from dataclasses import dataclass

import numpy as np

from service.contract.evaluate_request import EvaluateQuestion, open_request
from service.contract.names import VENUES
from service.contract.stated import default_lines
from service.errors import InvalidInput, MalformedBody
from service.risk.columns import Bools, Ints, Statements, Words
from service.risk.model import GENERIC_VENUE
from service.text import soundness
from service.text.accounts import scan_accounts
from service.text.scanned import (
    ACCOUNTS,
    ASSETS,
    BALANCES,
    IDS,
    POSITIONS,
    ROWS,
    SYMBOL,
    SYMBOLS,
    VENUE,
    Scanned,
)
from service.text.scanning import names

_NAMES = names(VENUES)
_VENUES = (*VENUES, GENERIC_VENUE)  # the last one, -1, is where none is named
_SEED = secrets.randbits(62)  # of the words' places: nobody can have them all in one


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A call; `starts` and `ends` say where in `letters` the accounts' ids stand."""

    question: EvaluateQuestion
    given: Statements
    positions: int  # closed ones too
    letters: bytes
    starts: Ints
    ends: Ints

    @property
    def accounts(self) -> int:
        return len(self.given.venue)

    @property
    def venues(self) -> set[str]:
        return set(self.given.venue)


def read_plain(raw: bytes, accounts_max: int, positions_max: int) -> PlainRequest | None:
    """Return a call as columns; None: it is not plain, or too large, or something is wrong."""
    try:
        question = open_request(raw)
    except (InvalidInput, MalformedBody):
        return None
    if _asks_more(question):
        return None
    scanned = scan_accounts(bytes(question.accounts), _NAMES, _SEED)
    if scanned is None:
        return None
    letters, found = scanned
    if found.counts[ACCOUNTS] > accounts_max or found.counts[ROWS] > positions_max:
        return None
    symbols = _words(letters, _places(found, SYMBOLS))
    modes = soundness.settle(found, _unread(question, symbols))
    if modes is None:
        return None
    starts, ends = _places(found, IDS)
    given = _statements(found, modes, symbols, _words(letters, _places(found, ASSETS)))
    rows = int(found.counts[ROWS])
    return PlainRequest(question, given, rows, letters, starts, ends)


def warm_up() -> None:
    """Have it compiled, or read from where it was kept: no call waits for that later."""
    read_plain(b'{"accounts":[{"id":"a"}]}', 1, 1)


def _asks_more(question: EvaluateQuestion) -> bool:
    """Whether what is asked beside the figures needs records of the accounts."""
    more = (question.findings, question.health_limits, question.likelihood, question.volatility)
    return any(each is not None for each in more)


def _words(letters: bytes, places: Ints) -> list[str]:
    return [letters[start:end].decode() for start, end in zip(*places.tolist(), strict=True)]


def _places(found: Scanned, kind: int) -> Ints:
    """Return where the words of a kind start and end, by their numbers."""
    *before, count = found.words.counts[: kind + 1].tolist()
    first = sum(before)
    return found.places[:, first : first + count]


def _unread(question: EvaluateQuestion, symbols: list[str]) -> Bools:
    """Return of which symbols positions' own marks are not read: others go first, or no mark."""
    if question.price_basis != "mark":
        return np.ones(len(symbols), np.bool_)
    marked = question.marks or ()
    return np.array([symbol in marked for symbol in symbols], np.bool_)


def _statements(
    found: Scanned, modes: soundness.Modes, symbols: list[str], assets: list[str]
) -> Statements:
    accounts, rows, held, _ = found.counts.tolist()
    figures, held_figures = found.figures[:, :rows], found.held[:, :held]
    return Statements(
        venue=list(map(_VENUES.__getitem__, found.accounts[VENUE, :accounts].tolist())),
        multi=modes.multi,
        **default_lines(accounts),
        positions=found.accounts[POSITIONS, :accounts],
        balances=found.accounts[BALANCES, :accounts],
        symbol=Words(symbols, found.positions[SYMBOL, :rows]),
        isolated=modes.isolated,
        contracts=figures[soundness.CONTRACTS],
        entry_price=figures[soundness.ENTRY_PRICE],
        contract_size=figures[soundness.CONTRACT_SIZE],
        leverage=figures[soundness.LEVERAGE],
        margin=figures[soundness.MARGIN],
        mark=figures[soundness.MARK],
        asset=Words(assets, found.balances[0, :held]),
        amount=held_figures[soundness.AMOUNT],
        weight=held_figures[soundness.WEIGHT],
        price=held_figures[soundness.PRICE],
    )
