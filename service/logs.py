"""What a process logs: lines of text, or of JSON with the ids of what they are about.

Only our own loggers follow the level; libraries say no more than warnings, whatever is switched on:
at `debug` some of them write headers and addresses, where tokens are. Nothing we log has a body, a
header or a query in it.
"""

import logging
import os
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import orjson

LevelName: TypeAlias = Literal["debug", "info", "warning", "error"]
FormatName: TypeAlias = Literal["text", "json"]
OURS = ("plimsoll", "service", "uvicorn")  # uvicorn says when it starts and stops

_FIELDS = "plimsoll_fields"
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def set_request_id(name: str) -> None:
    """Let every line that this task says from now on name a request."""
    _request_id.set(name)


def request_id() -> str:
    """Return the id of the request that is being answered, "" outside of any."""
    return _request_id.get()


def fields(**named: Any) -> dict[str, dict[str, Any]]:
    """Return what a line is about, to be given as its `extra`."""
    return {_FIELDS: named}


def _about(record: logging.LogRecord) -> dict[str, Any]:
    """Return the request a line was said in, and what it is about."""
    asked = request_id()
    named = {"requestId": asked} if asked else {}
    return {**named, **getattr(record, _FIELDS, {})}


class TextLines(logging.Formatter):
    """A line for people; what it is about stands at its end."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s:     %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own
        about = " ".join(f"{name}={value}" for name, value in _about(record).items())
        line = super().formatMessage(record)
        return f"{line} ({about})" if about else line


class JsonLines(logging.Formatter):
    """One JSON object a line; a stack is in `error`."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        line = {
            **head(record.created, record.levelname.lower(), self._part),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": os.getpid(),
            **_about(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def head(time_s: float, level: str, part: str) -> dict[str, str]:
    """Return what every line of JSON begins with."""
    told = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
    return {"time": told.replace("+00:00", "Z"), "level": level, "part": part}


def log_to_stderr(level: LevelName, form: FormatName, part: str) -> None:
    """Show what a part of the service logs."""
    shown = logging.StreamHandler()
    shown.setFormatter(TextLines() if form == "text" else JsonLines(part))
    logging.basicConfig(level=logging.WARNING, handlers=[shown], force=True)
    set_level(level)


def set_level(level: LevelName) -> None:
    """Say so much from now on."""
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
