"""A million names without an object each: their bytes in one buffer, found again by a hash table.

A list and a dictionary of strings cost about 200 bytes a name; this costs its letters and some 20.
"""

from array import array

import numpy as np

from service.risk.columns import Bools, Ints

_SMALLEST = 64  # places of the table, a power of two; at least half of them are free
_FREE = -1


class Names:
    """Numbers names from 0 on in the order they come; a name keeps its number."""

    def __init__(self) -> None:
        self._letters = bytearray()
        self._ends = array("q", [0])  # of each name, behind the end of the one before
        self._hashes = array("I")
        self._places = array("i", [_FREE]) * _SMALLEST

    def __len__(self) -> int:
        return len(self._hashes)

    def __getitem__(self, number: int) -> str:
        return self._letters[self._ends[number] : self._ends[number + 1]].decode()

    def begin_with(self, numbers: Ints, prefix: str) -> Bools:
        """Whether the names of these numbers begin with a prefix."""
        letters, ends, sought = self._letters, self._ends, prefix.encode()
        return np.fromiter(
            (
                letters.startswith(sought, ends[number], ends[number + 1])
                for number in numbers.tolist()
            ),
            np.bool_,
            len(numbers),
        )

    def spelled(self) -> tuple[bytes, Ints]:
        """Return all letters, and where in them each name begins and the last one ends; copies."""
        return bytes(self._letters), np.array(self._ends, np.int64)

    def find(self, name: str) -> int | None:
        """Return the number of a name, None when it never came."""
        letters = name.encode()
        number = self._places[self._place_of(letters, hash(letters) & 0xFFFFFFFF)]
        return None if number == _FREE else number

    def enter(self, name: str) -> int:
        """Return the number of a name, giving it the next one when it is new."""
        letters = name.encode()
        hashed = hash(letters) & 0xFFFFFFFF
        place = self._place_of(letters, hashed)
        if (number := self._places[place]) != _FREE:
            return number
        number = len(self._hashes)
        self._places[place] = number
        self._letters += letters
        self._ends.append(len(self._letters))
        self._hashes.append(hashed)
        if 2 * len(self._hashes) > len(self._places):
            self._places = _table(np.array(self._hashes, np.int64), 2 * len(self._places))
        return number

    def _place_of(self, letters: bytes, hashed: int) -> int:
        """Return where in the table a name stands, or where it is to stand."""
        places, hashes, ends = self._places, self._hashes, self._ends
        last, length = len(places) - 1, len(letters)
        place = hashed & last
        while (number := places[place]) != _FREE:
            if hashes[number] == hashed:
                start = ends[number]
                if ends[number + 1] - start == length and self._letters.startswith(letters, start):
                    return place
            place = (place + 1) & last
        return place


def _table(hashes: Ints, places: int) -> "array[int]":
    """Return a table in which each number stands at the first free place from its hash on."""
    made = array("i", [_FREE]) * places
    table = np.frombuffer(made, np.int32)
    numbers = np.arange(len(hashes))
    wanted = hashes & (places - 1)
    while len(numbers):
        free = table[wanted] == _FREE
        table[wanted[free]] = numbers[free]  # of several that want one place, one gets it
        left = table[wanted] != numbers
        numbers, wanted = numbers[left], (wanted[left] + 1) & (places - 1)
    return made
