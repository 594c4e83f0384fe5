"""What a liquidation leaves and who pays it, exact: one pool after the other, each loss once.

Written from the rule alone (loops over fractions, no columns). A policy is given as data; the order
of liquidation and of a queue are the caller's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.risk.policy import Policy
from tests.reference.legs import Leg, maintenance, notional, unrealised
from tests.reference.pools import Pool, borrowed, figures, money_factor
from tests.reference.rational import Fraction
from tests.reference.rules import ZERO

Place = tuple[int, int]  # pool, leg


@dataclass(slots=True)
class Fund:
    """What it holds and pays an event; None: without end."""

    balance: Fraction | None
    event_most: Fraction | None = None


@dataclass(slots=True)
class Outcome:
    """Who has what of one closed pool, in its money."""

    remainder: Fraction
    kept: Fraction = ZERO
    contributed: Fraction = ZERO
    fund: Fraction = ZERO
    deleveraged: Fraction = ZERO
    socialised: Fraction = ZERO
    owed: Fraction = ZERO
    venue: Fraction = ZERO

    @property
    def shortfall(self) -> Fraction:
        return max(ZERO, -self.remainder)


@dataclass(slots=True)
class Event:
    """A liquidation of some of the pools of one venue."""

    pools: Sequence[Pool]
    closed: Sequence[int]  # in the order of liquidation
    fills: Mapping[Place, Fraction]
    fees: Mapping[Place, Fraction]  # rates
    funds: dict[str, Fund]  # by settle asset
    policy: Policy
    queue: Sequence[Place]  # everybody's place, the first in the queue first
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    handed_over: dict[Place, Fraction] = field(default_factory=dict)
    reduced: dict[Place, Fraction] = field(default_factory=dict)
    deleveraging_cost: dict[Place, Fraction] = field(default_factory=dict)
    socialised_cost: dict[Place, Fraction] = field(default_factory=dict)

    def legs(self, pool: int) -> list[tuple[Place, Leg]]:
        return [((pool, row), leg) for row, leg in enumerate(self.pools[pool].legs)]


@dataclass(frozen=True, slots=True)
class Offer:
    """Part of a position that is handed to the queue."""

    place: Place
    leg: Leg
    size: Fraction
    price: Fraction
    saved: Fraction  # of all of the leg, in its pool's money


def mark_of(leg: Leg) -> Fraction:
    assert leg.mark is not None
    return leg.mark


def factor_of(pool: Pool, leg: Leg) -> Fraction:
    assert leg.instrument is not None
    factor = money_factor(pool, leg.instrument.settle)
    assert factor is not None
    return factor


def equity_of(pool: Pool) -> Fraction:
    worth = figures(pool)
    assert worth is not None
    return worth.equity


def share(pool: Pool, leg: Leg) -> Fraction:
    """Of a pool's money, the part that stands for one of its legs."""
    required = [
        max(ZERO, maintenance(one, mark_of(one))) * factor_of(pool, one) for one in pool.legs
    ]
    if sum(required, ZERO) == 0:
        required = [notional(one, mark_of(one)) * factor_of(pool, one) for one in pool.legs]
    whole = sum(required, ZERO)
    return required[pool.legs.index(leg)] / whole if whole else ZERO


def price_where(leg: Leg, pnl: Fraction) -> Fraction | None:
    """The price at which a leg has so much PnL."""
    assert leg.instrument is not None
    entry = Fraction(leg.position.entry_price)
    if leg.instrument.linear:
        price = entry + pnl / (leg.sign * leg.quantity)
        return price if price > 0 else None
    inverse = 1 / entry - pnl / (leg.sign * leg.quantity)
    return 1 / inverse if inverse > 0 else None


def settle(event: Event) -> None:
    """Fill in the event's outcomes."""
    for number in event.closed:
        event.outcomes[number] = close(event, number)
    for number in event.closed:
        pay_by_fund(event, number)
    deleverage(event)
    for number in event.closed:
        socialise(event, number)
    for number in event.closed:
        pool, outcome = event.pools[number], event.outcomes[number]
        if event.policy.negative_balance_protection:
            outcome.venue = unpaid(outcome)
        else:
            outcome.owed += unpaid(outcome)
        assert unpaid(outcome) == 0, pool.key


def unpaid(outcome: Outcome) -> Fraction:
    paid = outcome.fund + outcome.deleveraged + outcome.socialised + outcome.owed + outcome.venue
    return outcome.shortfall - paid


def close(event: Event, number: int) -> Outcome:
    pool, policy = event.pools[number], event.policy
    worth = figures(pool)
    assert worth is not None
    left, closed = worth.wallet, ZERO
    for place, leg in event.legs(number):
        value = notional(leg, event.fills[place])
        realised = unrealised(leg, event.fills[place]) - value * event.fees[place]
        left += realised * factor_of(pool, leg)
        closed += value * factor_of(pool, leg)
    outcome = Outcome(left)
    surplus = max(ZERO, left)
    if policy.fund:
        most = surplus
        line = Fraction(policy.backstop) * worth.maintenance
        at_backstop = policy.backstop > 0.0 and worth.equity < line
        if policy.surplus_rate != float("inf") and not at_backstop:
            most = Fraction(policy.surplus_rate) * closed
        outcome.contributed = min(surplus, most)
    outcome.kept = surplus - outcome.contributed
    if policy.negative_balance_protection and policy.claims_borrowed:
        outcome.owed = min(outcome.shortfall, borrowed(pool))
    return outcome


def pay_by_fund(event: Event, number: int) -> None:
    if not event.policy.fund:
        return
    outcome, fund = event.outcomes[number], event.funds[event.pools[number].key.settle]
    wanted = unpaid(outcome)
    if fund.event_most is not None:
        wanted = min(wanted, fund.event_most)
    if fund.balance is None:
        outcome.fund = wanted
        return
    fund.balance += outcome.contributed
    outcome.fund = min(wanted, fund.balance)
    fund.balance -= outcome.fund


def offers_of(event: Event, number: int) -> list[Offer]:
    """What is handed to the queue of one pool: as much as saves what nobody has paid."""
    pool, outcome = event.pools[number], event.outcomes[number]
    left, found = unpaid(outcome), []
    for place, leg in event.legs(number):
        fill, mark = event.fills[place], mark_of(leg)
        at_fill = unrealised(leg, fill) - notional(leg, fill) * event.fees[place]
        missing = outcome.shortfall * share(pool, leg) / factor_of(pool, leg)
        price = price_where(leg, at_fill + missing)
        way = event.policy.deleveraging
        far = price is not None and abs(price - mark) > Fraction(event.policy.mixed_beyond) * mark
        if way == "mark" or (way == "mixed" and far):
            price = mark
        if price is None:
            continue
        saved = (unrealised(leg, price) - at_fill) * factor_of(pool, leg)
        if saved >= 0:
            found.append(Offer(place, leg, leg.quantity, price, saved))
    whole = sum((offer.saved for offer in found), ZERO)
    part = left / whole if whole > left else Fraction(1)
    return [Offer(o.place, o.leg, o.size * part, o.price, o.saved) for o in found]


def deleverage(event: Event) -> None:
    if event.policy.deleveraging == "none":
        return
    due = [number for number in event.closed if unpaid(event.outcomes[number]) > 0]
    offers = [offer for number in due for offer in offers_of(event, number)]
    for symbol in {offer.leg.position.symbol for offer in offers}:
        for sign in (1, -1):
            mine = [o for o in offers if o.leg.position.symbol == symbol and o.leg.sign == sign]
            if mine:
                hand_over(event, symbol, mine)


def hand_over(event: Event, symbol: str, offers: list[Offer]) -> None:
    """Offers in order to the queue in order; nobody takes more than he can surely pay for."""
    costs = {
        o.place: (unrealised(o.leg, o.price) - unrealised(o.leg, mark_of(o.leg))) / o.leg.quantity
        for o in offers
    }
    dearest = max(costs.values())
    queue = [place for place in event.queue if is_opposite(event, place, symbol, offers[0].leg)]
    rooms = {place: room(event, place, dearest) for place in queue}
    for offer in offers:
        left = offer.size
        for place in queue:
            taken = min(left, rooms[place])
            if taken > 0:
                rooms[place] -= taken
                left -= taken
                add(event.reduced, place, taken)
                add(event.deleveraging_cost, place, taken * costs[offer.place])
        done = offer.size - left
        event.handed_over[offer.place] = done
        event.outcomes[offer.place[0]].deleveraged += offer.saved * done / offer.leg.quantity


def is_opposite(event: Event, place: Place, symbol: str, leg: Leg) -> bool:
    other = event.pools[place[0]].legs[place[1]]
    free = place[0] not in event.outcomes
    return free and other.position.symbol == symbol and other.sign != leg.sign


def room(event: Event, place: Place, dearest: Fraction) -> Fraction:
    """How much a position can take over without its share of equity going below zero."""
    pool = event.pools[place[0]]
    leg = pool.legs[place[1]]
    if dearest <= 0:
        return leg.quantity
    means = max(ZERO, equity_of(pool) * share(pool, leg)) / factor_of(pool, leg)
    return min(leg.quantity, means / dearest)


def socialise(event: Event, number: int) -> None:
    """Spread what nobody has paid over every open position in the pool's markets."""
    pool, outcome = event.pools[number], event.outcomes[number]
    left = unpaid(outcome)
    if not event.policy.socialises or left <= 0:
        return
    for _, leg in event.legs(number):
        bearers = [
            (place, other)
            for other_pool in range(len(event.pools))
            if other_pool not in event.outcomes
            for place, other in event.legs(other_pool)
            if other.position.symbol == leg.position.symbol
        ]
        whole = sum((other.quantity for _, other in bearers), ZERO)
        if whole == 0:
            continue
        loss = left * share(pool, leg)
        outcome.socialised += loss
        for place, other in bearers:
            borne = loss / factor_of(pool, leg) * other.quantity / whole
            add(event.socialised_cost, place, borne)


def add(table: dict[Place, Fraction], place: Place, amount: Fraction) -> None:
    table[place] = table.get(place, ZERO) + amount
