"""From columns to what the contract says of how likely it is: by position, by pool, by account."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import get_args

import numpy as np

from service.api.answer_parts import Evaluated
from service.api.moves import Moves
from service.contract.alerts import PoolName
from service.contract.likelihood import (
    AccountLikelihood,
    Bounds,
    LikelihoodQuestion,
    Model,
    PoolLikelihood,
    PositionLikelihood,
    VolatilityAnswer,
)
from service.risk.columns import Floats
from service.risk.likelihood import MODEL, REASONS, Likelihood, leg_likelihood
from service.risk.pool_likelihood import MODELS, account_bounds, pool_likelihood
from service.risk.pool_likelihood import PoolLikelihood as ByPool
from service.risk.volatility import KNOWN
from service.risk.volatility import REASONS as _WHY_NOT

_MODELS: tuple[Model, ...] = get_args(Model)
assert _MODELS == MODELS
assert _MODELS[0] == MODEL


def likelihoods_of(
    of: Evaluated, names: Sequence[PoolName], moves: Moves, question: LikelihoodQuestion
) -> list[AccountLikelihood]:
    """Return of each account how likely liquidation and a debt are within the horizon.

    `names` are those of the pools.
    """
    batch, assessment = of.batch, of.assessment
    by_leg = leg_likelihood(
        batch, assessment, of.figures.solved, moves.volatility, question.horizon_s
    )
    by_pool = pool_likelihood(batch, assessment, by_leg, question.correlation)
    pools, positions = _pool_answers(names, by_pool), _position_answers(of, by_leg, moves)
    bounds = [
        list(map(Bounds, *_lists(account_bounds(batch, probability, of.accounts))))
        for probability in (by_pool.liquidation, by_pool.shortfall, by_pool.owing)
    ]
    return [
        AccountLikelihood(
            question.horizon_s,
            question.correlation,
            liquidation,
            shortfall,
            owing,
            list(islice(pools, own_pools)),
            list(islice(positions, own_legs)),
        )
        for liquidation, shortfall, owing, own_pools, own_legs in zip(
            *bounds,
            np.bincount(batch.pools.account, minlength=of.accounts).tolist(),
            of.given.positions.tolist(),
            strict=True,
        )
    ]


def _lists(columns: Iterable[Floats]) -> list[list[float]]:
    return [column.tolist() for column in columns]


def _pool_answers(names: Sequence[PoolName], found: ByPool) -> Iterator[PoolLikelihood]:
    return map(
        PoolLikelihood,
        names,
        [_MODELS[model] for model in found.model.tolist()],
        *_lists((found.liquidation, found.shortfall, found.owing)),
        [REASONS[reason] or None for reason in found.reason.tolist()],
        *_lists((found.deviation, found.distance)),
    )


def _position_answers(
    of: Evaluated, found: Likelihood, moves: Moves
) -> Iterator[PositionLikelihood]:
    short, isolated = of.batch.legs.contracts < 0.0, of.given.isolated
    return map(
        PositionLikelihood,
        of.given.symbol.listed(),
        ["short" if is_short else "long" for is_short in short.tolist()],
        ["isolated" if by_itself else "cross" for by_itself in isolated.tolist()],
        [MODEL] * len(short),
        *_lists((found.liquidation, found.shortfall, found.owing)),
        [REASONS[reason] or None for reason in found.reason.tolist()],
        *_lists((found.lower, found.upper, found.lower_gap, found.upper_gap)),
        _volatility_answers(moves),
    )


def _volatility_answers(moves: Moves) -> list[VolatilityAnswer]:
    found = moves.volatility
    known = found.state == KNOWN
    figures = (found.diffusion_per_sqrt_s, found.jumps_per_s, found.jump_mean, found.annual)
    return list(
        map(
            VolatilityAnswer,
            ["request" if given else "stream" for given in moves.given],
            [None if given else one for given, one in zip(moves.given, moves.venue, strict=True)],
            [_WHY_NOT[state] or None for state in found.state.tolist()],
            [None if given else one for given, one in zip(moves.given, moves.samples, strict=True)],
            *_lists(np.where(known, figure, np.nan) for figure in figures),
        )
    )
