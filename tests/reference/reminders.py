"""Which alerts are told again, and when: by the rule of each account, in event time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service.risk.model import Level, Thresholds
from tests.reference.levels import Name, Standing


@dataclass(slots=True)
class Told:
    """What was told of a pool at its present level: the alert, and its newest reminder."""

    first_seq: int
    last_seq: int
    at_ms: int
    acknowledged: bool = False


class Reminders:
    """By the identity of pools."""

    def __init__(self) -> None:
        self.rules: dict[str, Thresholds] = {}  # by account key
        self._told: dict[Name, Told] = {}

    def moved(self, name: Name, level: Level, seq: int, now_ms: int) -> None:
        """A pool came to a level by the alert of this seq."""
        self._told.pop(name, None)
        if level is not Level.HEALTHY:
            self._told[name] = Told(seq, seq, now_ms)

    def again(self, name: Name, seq: int, now_ms: int) -> int:
        """A pool is told of again by the alert of this seq; return the seq of the first."""
        told = self._told[name]
        told.last_seq, told.at_ms = seq, now_ms
        return told.first_seq

    def acknowledge(self, account_key: str, seq: int) -> None:
        """The alert of this seq was acknowledged; it counts for the first and the newest."""
        for (owner, _), told in self._told.items():
            if owner == account_key and seq in (told.first_seq, told.last_seq):
                told.acknowledged = True

    def due(self, standings: Mapping[Name, Standing], now_ms: int) -> Iterator[Name]:
        """Yield the pools that are to be told of again."""
        for name, standing in standings.items():
            told, rule = self._told.get(name), self.rules.get(name[0])
            if told is None or rule is None or standing.level is Level.HEALTHY:
                continue
            over = rule.repeat_until_acknowledged and told.acknowledged
            if rule.repeat_every_ms and not over and now_ms - told.at_ms >= rule.repeat_every_ms:
                yield name
