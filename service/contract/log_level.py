"""How much the service says, switched while it runs."""

from typing import Annotated

from msgspec import Meta, Struct

from service.logs import LevelName

FOR_S_MAX = 604_800.0
ForSeconds = Annotated[
    float,
    Meta(ge=1.0, le=FOR_S_MAX, description="Seconds that it holds for; then as set before."),
]
Level = Annotated[
    LevelName | None, Meta(description="`null`: each process goes by `PLIMSOLL_LOG_LEVEL`.")
]


class LogLevelDocument(Struct, rename="camel", forbid_unknown_fields=True):
    """What is asked for."""

    level: Level
    for_s: ForSeconds = 3_600.0


class LogLevelView(Struct, rename="camel"):
    """What holds, and for how many more seconds."""

    level: Level
    for_s: float | None = None
