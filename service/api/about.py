"""What is true of every call, in words: the front of the OpenAPI document, limits and all.

Limits that settings move are given with their defaults; a test holds them against the settings.
"""

from service.api.alerts import LIMIT_MAX
from service.api.checkup import CHECKED_POSITIONS_MAX, LIMITS_MAX
from service.api.once import KEY_MAX
from service.api.protocol import HEAD_BYTES_MAX, HEAD_S
from service.api.queries import TEXT_MAX
from service.api.silences import SILENCES_MAX
from service.api.sizing import SIZE_UNITS
from service.api.targets import TARGETS_MAX
from service.api.webhooks import WEBHOOKS_MAX
from service.contract.producing import BATCH_MARKS_MAX
from service.store.funds import FUNDS_MAX

# Code, status and meaning of what any call may be answered, whatever it is.
ANY_CALL = (
    ("malformed_request", 400, "it is not an HTTP request"),
    ("not_found", 404, "there is no such path"),
    ("method_not_allowed", 405, "the path has other methods, which `Allow` names"),
    ("head_timeout", 408, f"the headers took longer than {HEAD_S:g} s"),
    ("head_too_large", 431, f"request line and headers have more than {HEAD_BYTES_MAX:,} bytes"),
    ("internal_error", 500, "a mistake of ours, which is logged"),
)
# Setting, what it bounds, its default in words, and the answer beyond it.
LIMITS = (
    ("body_max_bytes", "a body, or a line of NDJSON", "16 MiB", "413 `body_too_large`"),
    ("body_timeout_s", "a body's time to arrive", "30 s", "408 `body_timeout`"),
    ("accounts_max", "accounts or instruments in a call", "10,000", "413 `too_many_items`"),
    ("positions_max", "positions or marks in a call", "100,000", "413 `too_many_items`"),
    ("scenarios_max", "scenarios in a call", "1,000", "413 `too_many_items`"),
    (
        "simulated_max",
        "accounts or positions times a call's steps of scenarios",
        "2,000,000",
        "413 `too_many_items`",
    ),
    ("bodies_max_bytes", "large bodies a worker holds", "256 MiB", "503 `overloaded`"),
    ("idempotency_max_bytes", "kept answers of a key", "256 MiB", "429 `rate_limited`"),
    ("evaluations_max", "evaluations that wait in a worker", "500", "503 `overloaded`"),
    ("evaluations_max_bytes", "the large ones among them", "32 MiB", "503 `overloaded`"),
    ("map_timeout_s", "a map's or a book's scenarios' time", "120 s", "503 `monitor_unavailable`"),
    ("rate_limit_per_s", "units of a key in a second", "10,000", "429 `rate_limited`"),
    ("connections_per_key_max", "open streams of a key", "1,000", "429 `too_many_connections`"),
)
_FIXED = (
    ("webhooks of a tenant", f"{WEBHOOKS_MAX}", "413 `too_many_items`"),
    ("targets of a tenant", f"{TARGETS_MAX}", "413 `too_many_items`"),
    ("silences of a tenant", f"{SILENCES_MAX:,}", "413 `too_many_items`"),
    ("insurance funds", f"{FUNDS_MAX:,}", "413 `too_many_items`"),
    ("accounts or alerts of a page", f"{LIMIT_MAX:,}", "422 `invalid_input`"),
    ("an `Idempotency-Key`", f"{KEY_MAX} characters", "400 `invalid_idempotency_key`"),
    ("positions to check in a call", f"{CHECKED_POSITIONS_MAX:,}", "413 `too_many_items`"),
    ("different `healthLimits` of accounts in a call", f"{LIMITS_MAX}", "413 `too_many_items`"),
    ("marks of a frame on `/v1/marks/stream`", f"{BATCH_MARKS_MAX}", "error `too_many_items`"),
    ("a parameter", f"{TEXT_MAX:,} characters", "422 `invalid_input`"),
)


def _about() -> str:
    limits = [
        (f"{what} (`PLIMSOLL_{name.upper()}`)", most, then) for name, what, most, then in LIMITS
    ]
    return _ABOUT.format(
        size_units=SIZE_UNITS,
        limits="\n".join(
            f"| {what} | {most} | {then} |" for what, most, then in (*limits, *_FIXED)
        ),
        answers="\n".join(f"| {status} | `{code}` | {words} |" for code, status, words in ANY_CALL),
    )


_ABOUT = """\
Real-time risk for perpetual futures: how close is each account to a margin call, to liquidation, \
to owing money?

Numbers are taken as JSON numbers or decimal strings, finite only, and answered as numbers; a \
figure that has no value is `null`, with a reason beside it. Times are epoch milliseconds. Errors \
are RFC 9457 problems: switch on `code`, read `detail`.

Where keys are in force, every call but `livez` and `readyz` needs one. A key belongs to a tenant \
and sees and writes that tenant's accounts, alerts, webhooks and targets; what is another's is not \
there. Marks and instruments are the operator's, and everybody's to read; insurance funds are the \
operator's alone.

A key has units for its calls, which grow back. A call costs one; one that carries a list as many \
as there are in it: accounts, marks or instruments; an evaluation its accounts or its positions, \
whichever are more; a simulation as many for each step of its scenarios; a liquidation map its \
points, scenarios settled by sums their steps; a size {size_units}. Without units: 429. NDJSON and \
the frames of the WebSockets, which cost as much, are not refused but read more slowly. Where \
there are no keys, and so no other machine reaches the service, there is no such limit.

A call with an `Idempotency-Key` has its answer kept, which takes room; where a key has none left, \
429 before anything is done.

The WebSockets `/v1/stream` (alerts, risk and marks out) and `/v1/marks/stream` (marks in) are \
described at `/asyncapi`.

Limits, those with a setting at their defaults:

| of | most | beyond it |
|---|---|---|
{limits}

Any call may also be answered:

| status | code | when |
|---|---|---|
{answers}
"""
ABOUT = _about()
