"""An alert derived again from what is recorded: every term of it, and if it is what was logged."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from service.contract.alerts import Alert, Count, EpochMs, Number
from service.contract.quality import QualityName


class AuditStep(Struct):
    """One line of a derivation."""

    about: Annotated[
        str, Meta(description="The cause, a position, a balance, the pool, its level.")
    ]
    term: str
    how: Annotated[str, Meta(description="What it is made of, with the numbers in it.")]
    value: Annotated[
        float | str | None, Meta(description="Null: something it is made of is missing.")
    ]


class AuditedMark(Struct, rename="camel"):
    """A mark that was gone by, and the entry of the market stream that brought it."""

    venue: str
    symbol: str
    mark_price: float
    index_price: Number
    market_id: Annotated[
        int | None, Meta(description="Null: an entry before the snapshot that was begun from.")
    ]
    event_time: EpochMs
    quality: QualityName


class AuditedField(Struct):
    """A field of the alert, as it was logged and as it is derived."""

    name: str
    logged: Any
    derived: Any
    equal: bool


class AuditedAlert(Struct, rename="camel"):
    """An alert explained; `equal` says that every field is what was logged, to the last digit."""

    id: str
    equal: bool
    alert: Alert
    steps: list[AuditStep]
    marks: list[AuditedMark]
    fields: list[AuditedField]
    surprises: Annotated[
        list[str], Meta(description="What the log should have said otherwise, in words.")
    ]
    started_from: Annotated[
        Count, Meta(description="The market id as of which the derivation begins.")
    ]
    entries: Annotated[Count, Meta(description="Entries of the market stream gone through.")]
