"""From columns to what the contract says of how likely it is: by position, by pool, by account."""

from collections.abc import Iterable, Sequence
from typing import get_args

import numpy as np

from service.api.answers import Evaluated
from service.api.moves import Moves
from service.contract.alerts import pool_name
from service.contract.evaluation import AccountAnswer
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


def put_likelihoods(
    of: Evaluated, moves: Moves, question: LikelihoodQuestion, answers: Sequence[AccountAnswer]
) -> None:
    """Put into each account's answer how likely liquidation and a debt are within the horizon."""
    batch, assessment = of.batch, of.assessment
    by_leg = leg_likelihood(
        batch, assessment, of.figures.solved, moves.volatility, question.horizon_s
    )
    by_pool = pool_likelihood(batch, assessment, by_leg, question.correlation)
    pools, positions = _pool_answers(of, by_pool), _position_answers(of, by_leg, moves)
    bounds = [
        list(map(Bounds, *_lists(account_bounds(batch, probability, len(answers)))))
        for probability in (by_pool.liquidation, by_pool.shortfall, by_pool.owing)
    ]
    pool = leg = 0
    for index, answer in enumerate(answers):
        pools_end = pool + len(answer.pools)
        legs_end = leg + len(answer.positions)
        answer.likelihood = AccountLikelihood(
            question.horizon_s,
            question.correlation,
            bounds[0][index],
            bounds[1][index],
            bounds[2][index],
            pools[pool:pools_end],
            positions[leg:legs_end],
        )
        pool, leg = pools_end, legs_end


def _lists(columns: Iterable[Floats]) -> list[list[float]]:
    return [column.tolist() for column in columns]


def _pool_answers(of: Evaluated, found: ByPool) -> list[PoolLikelihood]:
    return list(
        map(
            PoolLikelihood,
            [pool_name(key) for keys in of.pool_keys for key in keys],
            [_MODELS[model] for model in found.model.tolist()],
            *_lists((found.liquidation, found.shortfall, found.owing)),
            [REASONS[reason] or None for reason in found.reason.tolist()],
            *_lists((found.deviation, found.distance)),
        )
    )


def _position_answers(of: Evaluated, found: Likelihood, moves: Moves) -> list[PositionLikelihood]:
    positions = [position for account in of.accounts for position in account.positions]
    return list(
        map(
            PositionLikelihood,
            [position.symbol for position in positions],
            [position.side for position in positions],
            ["isolated" if position.isolated else "cross" for position in positions],
            [MODEL] * len(positions),
            *_lists((found.liquidation, found.shortfall, found.owing)),
            [REASONS[reason] or None for reason in found.reason.tolist()],
            *_lists((found.lower, found.upper, found.lower_gap, found.upper_gap)),
            _volatility_answers(moves),
        )
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
