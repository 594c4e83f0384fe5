"""A derivation as lines for people: each term, the numbers that it is made of, what it comes to."""

import math
from collections.abc import Iterator

from service.audit.standing import held_level, table_level
from service.audit.sums import LegSum, PoolSum, revalued
from service.audit.walk import Walk
from service.contract.alerts import Alert
from service.contract.audited import AuditStep
from service.monitor.bindings import read_notice
from service.risk.model import Level, Thresholds
from service.risk.quality import Quality

_CAUSE, _LEVEL, _POOL = "cause", "level", "pool"


def steps_of(walk: Walk, derived: Alert) -> list[AuditStep]:
    """Return the lines of a derivation, from the cause to the level."""
    account = walk.evidence.versions[-1].account
    steps = [*_cause(walk)]
    if walk.found is None or account is None:
        gone = "the account has no such pool any more: nothing is at stake"
        return [*steps, AuditStep(_LEVEL, "level", gone, derived.level)]
    for leg in walk.found.legs:
        steps += _leg(leg, walk.found)
    steps += _balances(walk.found)
    steps += _pool(walk.found)
    steps += _level(walk, walk.found, account.thresholds, derived)
    return [*steps, *_prices(walk.found, derived)]


def _cause(walk: Walk) -> Iterator[AuditStep]:
    entry, version = walk.evidence.came_by, walk.evidence.versions[-1]
    kinds = {
        "m": "a mark",
        "q": "the gate's word on a symbol's marks",
        "i": "an instrument's terms",
        "c": "the clock: a second without marks",
        "a": "writes of accounts",
    }
    how = f"event time {entry.event_time_ms}: {kinds.get(entry.kind, entry.kind)}{_said(walk)}"
    yield AuditStep(_CAUSE, f"market entry {entry.market_id}", how, None)
    began = version.cause or "kept from before"
    yield AuditStep(_CAUSE, f"account version {version.number}", f"written as {began}", None)
    if walk.before is not None:
        how = f"as of entry {entry.market_id - 1}: {_over(walk.before)}"
        yield AuditStep(_CAUSE, "ratio before", how, _known(walk.before.ratio))


def _said(walk: Walk) -> str:
    """Return what the entry says, where that is short."""
    entry = walk.evidence.came_by
    if entry.kind == "a":
        notice = read_notice(entry)
        return f", shard {notice.shard}, changes up to {notice.upto}"
    return f" {entry.payload.decode()}" if entry.kind in "mq" else ""


def _leg(leg: LegSum, pool: PoolSum) -> Iterator[AuditStep]:
    position = leg.position
    about = f"{position.symbol} {position.side}"

    def step(term: str, how: str, value: float) -> AuditStep:
        return AuditStep(about, term, how, _known(value))

    if leg.used is None or leg.instrument is None or leg.tiers is None:
        missing = "mark" if leg.instrument else "instrument"
        yield AuditStep(about, "unpriced", f"there is no {missing} of this symbol", None)
        return
    mark, linear = leg.used.mark, leg.instrument.linear
    entry = "before the snapshot" if leg.used.market_id is None else f"entry {leg.used.market_id}"
    quality = leg.used.verdict.quality
    doubt = "" if quality is Quality.GOOD else f", {quality.name.lower()}"
    yield step("mark", f"{mark.venue} {mark.symbol}, {entry}{doubt}", mark.mark_price)
    size = position.contract_size or leg.instrument.contract_size
    yield step("size", f"{position.contracts!r} contracts x {size!r}", leg.size)
    way = "x" if linear else "/"
    yield step("notional", f"|{leg.size!r}| {way} {mark.mark_price!r}", leg.notional)
    yield step("unrealised PnL", _pnl(leg), leg.pnl)
    if position.isolated:
        yield step("margin", _margin(leg), leg.margin)
    yield from _required(leg, step_about=about)
    if pool.multi:
        yield step("settle price", f"USD for one {leg.settle}", leg.price)


def _pnl(leg: LegSum) -> str:
    assert leg.used is not None
    assert leg.instrument is not None
    entry, mark = leg.position.entry_price, leg.used.mark.mark_price
    moved = f"{leg.size!r} x ({mark!r} - {entry!r})"
    return moved if leg.instrument.linear else f"{moved} / {entry!r} / {mark!r}"


def _margin(leg: LegSum) -> str:
    if leg.position.margin is not None:
        return "given"
    fee = f" + closing fee {leg.initial_fee!r}" if leg.initial_fee else ""
    return f"entry notional {leg.entry_notional!r} / leverage {leg.leverage!r}{fee}"


def _required(leg: LegSum, step_about: str) -> Iterator[AuditStep]:
    """Yield the tier, its rate and deduction, the fee, and what they come to."""
    tiers, at = leg.tiers, leg.tier
    assert tiers is not None
    floor, upto = tiers.floor[at], "the top"
    if at + 1 < len(tiers.floor):
        upto = repr(tiers.floor[at + 1])
    size = abs(leg.position.contracts) if tiers.by_contracts else leg.basis
    counted = "contracts" if tiers.by_contracts else "notional"
    basis = " at the entry price" if leg.on_entry else ""
    how = f"{counted}{basis} {size!r} is from {floor!r} up to {upto}"
    yield AuditStep(step_about, "tier", how, float(at + 1))
    yield AuditStep(step_about, "maintenance rate", f"of tier {at + 1}", tiers.rate[at])
    less = tiers.rebate[at] if tiers.by_contracts else tiers.deduction[at]
    yield AuditStep(step_about, "deduction", f"of tier {at + 1}", less)
    how = f"{leg.basis!r} x {tiers.rate[at]!r} - {tiers.deduction[at]!r}"
    if tiers.by_contracts:
        how += f" - {leg.basis!r} x {tiers.rebate[at]!r} / {size!r}"
    if leg.fee_rate:
        how += f" + fee {leg.basis!r} x {leg.fee_rate!r}"
    if leg.fixed_fee:
        how += f" + closing fee {leg.fixed_fee!r}"
    yield AuditStep(step_about, "maintenance margin", how, _known(leg.maintenance))


def _balances(pool: PoolSum) -> Iterator[AuditStep]:
    for balance, price, worth in pool.held:
        how = f"{balance.amount!r} {balance.asset}"
        if pool.multi:
            weight = balance.weight if balance.amount > 0.0 else 1.0
            how += f" x {price!r} USD x weight {weight!r}"
        yield AuditStep(f"balance {balance.asset}", "worth", how, _known(worth))


def _pool(pool: PoolSum) -> Iterator[AuditStep]:
    worths = [worth for *_, worth in pool.held] + [
        leg.margin for leg in pool.legs if leg.position.isolated
    ]
    yield AuditStep(_POOL, "wallet", _sum(worths), _known(pool.wallet))
    yield AuditStep(
        _POOL, "unrealised PnL", _sum([leg.pnl * leg.price for leg in pool.legs]), _known(pool.pnl)
    )
    how = f"{pool.wallet!r} + {pool.pnl!r}"
    yield AuditStep(_POOL, "equity", how, _known(pool.equity))
    required = [leg.maintenance * leg.price for leg in pool.legs]
    yield AuditStep(_POOL, "maintenance margin", _sum(required), _known(pool.maintenance))
    yield AuditStep(_POOL, "margin ratio", _over(pool), _known(pool.ratio))


def _level(walk: Walk, pool: PoolSum, lines: Thresholds, derived: Alert) -> Iterator[AuditStep]:
    for name, line in (
        ("warning", lines.warning),
        ("margin call", lines.margin_call),
        ("liquidation", 1.0),
    ):
        reached = pool.maintenance >= line * pool.equity
        if name == "liquidation" and pool.rule.strict:
            reached = pool.maintenance > pool.equity
        how = f"maintenance {pool.maintenance!r} against {line!r} x {pool.equity!r}"
        yield AuditStep(_LEVEL, f"{name} line", how, "reached" if reached else "not reached")
    table = table_level(pool, lines)
    yield AuditStep(_LEVEL, "by the table", "the first line from the top", table.name)
    current = Level[derived.previous_level]
    if current > table:
        how = f"hysteresis {lines.hysteresis!r} under the lines up to {current.name}"
        yield AuditStep(_LEVEL, "held", how, held_level(pool, lines, current).name)
    quality, most = pool.verdict
    if quality is not Quality.GOOD:
        how = f"marks that are {quality.name.lower()} raise nobody further than"
        yield AuditStep(_LEVEL, "quality", how, most.name)
    yield from _wait(walk, lines)
    how = f"from {derived.previous_level}: {derived.transition}"
    yield AuditStep(_LEVEL, "level", how, derived.level)


def _wait(walk: Walk, lines: Thresholds) -> Iterator[AuditStep]:
    before = walk.stood
    if before is None or before.pending_since_ms is None:
        return
    since, now = before.pending_since_ms, walk.recorded.event_time_ms
    how = f"a fall waits since entry {walk.waits_from}, {now - since} ms of {lines.ease_after_ms}"
    over = now - since >= lines.ease_after_ms
    yield AuditStep(_LEVEL, "waiting", how, "over" if over else "not over")


def _prices(pool: PoolSum, derived: Alert) -> Iterator[AuditStep]:
    """Yield for each liquidation price what the pool comes to there, all else as it is."""
    for told in derived.positions:
        legs = [leg for leg in pool.legs if leg.position.symbol == told.symbol]
        price = told.liquidation_price
        if price is None or not math.isfinite(price) or len(legs) != 1:
            continue
        equity, maintenance = revalued(pool, legs[0], price)
        how = f"there the pool's equity is {equity!r}, its maintenance margin {maintenance!r}"
        yield AuditStep(f"{told.symbol} {told.side}", "liquidation price", how, price)


def _over(pool: PoolSum) -> str:
    return f"{pool.maintenance!r} / {pool.equity!r}"


def _sum(values: list[float]) -> str:
    return " + ".join(map(repr, values)) or "nothing"


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
