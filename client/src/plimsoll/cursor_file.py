"""A cursor in a file: replaced in one step, so that a crash leaves the old one or the new one."""

import os
from pathlib import Path

from plimsoll.errors import CursorFileDamaged


class CursorFile:
    """Where a subscription keeps how far its consumer has dealt with the log."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def read(self) -> str | None:
        """Return the cursor, None where there is no file.

        Raises CursorFileDamaged for a file without a cursor: to take it for a first start would be
        to leave out alerts without a word.
        """
        try:
            cursor = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            cursor = ""
        if not cursor:
            raise CursorFileDamaged(f"{self._path} has no cursor in it")
        return cursor

    def write(self, cursor: str) -> None:
        """Replace the file; it is on disk before it takes its place."""
        new = self._path.with_name(self._path.name + ".new")
        with new.open("w", encoding="ascii") as file:
            file.write(cursor + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
