"""How far the marks of a symbol can be believed, and how high a level they may raise a pool."""

from enum import IntEnum
from typing import NamedTuple

from service.risk.model import Level


class Quality(IntEnum):
    """The gate's word on the marks of a (venue, symbol); the order is the order of doubt."""

    GOOD = 0
    DEGRADED = 1  # fewer sources agree than there should be
    SUSPECT = 2  # a price is held that may be right, or the sources disagree
    STALE = 3  # no mark for too long, or not enough of them since


class Verdict(NamedTuple):
    """A quality, and the highest level that marks of it raise a pool to.

    `most` BANKRUPT: all of them; MARGIN_CALL: nobody is to be liquidated; WARNING: nor called;
    HEALTHY: figures are given and nobody is alerted. UNPRICED is never held back.
    """

    quality: Quality
    most: Level


GOOD = Verdict(Quality.GOOD, Level.BANKRUPT)
STALE = Verdict(Quality.STALE, Level.MARGIN_CALL)

# What is allowed of a quality, in words: `evaluate` alone, alerts of it up to these levels too.
ALLOWED = {
    "evaluate": Level.HEALTHY,
    "warn": Level.WARNING,
    "call": Level.MARGIN_CALL,
    "liquidate": Level.BANKRUPT,
}
QUALITIES = {quality.name.lower(): quality for quality in Quality}


def verdict_of(quality: str, allows: str) -> Verdict:
    """Return the verdict in these words; raises KeyError for others."""
    return Verdict(QUALITIES[quality], ALLOWED[allows])
