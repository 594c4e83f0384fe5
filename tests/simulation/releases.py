"""Two releases of the service side by side, and the link by which one takes the other's place."""

import os
from pathlib import Path

import service.settings

HERE = Path(service.settings.__file__).parent
NEXT = "9.9.9"


class Releases:
    """Processes started in `environment` run the release that the link points to at their start.

    The next release is this one with another number: a directory of links to the same files, but
    for the one that has the number.
    """

    def __init__(self, folder: Path) -> None:
        self._link, self._next = folder / "current", folder / "next"
        package = self._next / "service"
        package.mkdir(parents=True)
        for path in HERE.iterdir():
            if path.name not in ("settings.py", "__pycache__"):
                (package / path.name).symlink_to(path)
        text = (HERE / "settings.py").read_text(encoding="utf-8")
        assert text.count(service.settings.RELEASE) == 1
        changed = text.replace(service.settings.RELEASE, NEXT)
        (package / "settings.py").write_text(changed, encoding="utf-8")
        self._link.symlink_to(HERE.parent)
        paths = (str(self._link), os.environ.get("PYTHONPATH", ""))
        # Safe: else the directory that the tests are run in would come first.
        self.environment = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}

    def install_next(self) -> None:
        """Let the link point to the next release, in one step."""
        other = self._link.with_name("other")
        other.symlink_to(self._next)
        other.replace(self._link)
