"""Answers to what is asked of all monitors: each speaks for the shards that it serves."""

import logging

import msgspec

from service.contract.adl import AHEAD, QUEUE
from service.contract.map_parts import FORGET_MAP, MAP
from service.contract.questions import (
    NAMES,
    WORST,
    decode_names_question,
    decode_question,
    encode_answer,
    encode_names,
)
from service.contract.scenario_parts import SCENARIOS
from service.monitor.leases import Leases
from service.monitor.maps import Maps
from service.monitor.naming import names
from service.monitor.queue import Queues
from service.monitor.sharing import Sharing
from service.monitor.worst import Rankings
from service.store.questions import Question, Questions

_log = logging.getLogger(__name__)

WAIT_MS = 1_000  # for a question


class Answering:
    """Answers one question after the other, while the leases are sure to be held."""

    def __init__(self, sharing: Sharing, leases: Leases, questions: Questions, maps: Maps) -> None:
        self._sharing, self._leases, self._questions = sharing, leases, questions
        self._maps, self._queues, self._rankings = maps, Queues(), Rankings()

    async def answer_next(self) -> None:
        """Wait for questions and answer them; one that cannot be read is passed over."""
        for question in await self._questions.next_questions(WAIT_MS):
            try:
                await self._answer(question)
            except msgspec.DecodeError as error:
                _log.error("a question that cannot be read: %s", error)

    async def _answer(self, question: Question) -> None:
        if question.kind == FORGET_MAP:
            self._maps.forget(question)
        elif not self._leases.sure:
            return
        elif question.kind == WORST:
            await self._answer_worst(question)
        elif question.kind in (QUEUE, AHEAD):
            await self._answer_queue(question)
        elif question.kind in (MAP, SCENARIOS):
            await self._maps.take(question)
        elif question.kind == NAMES:
            await self._answer_names(question)

    async def _answer_worst(self, question: Question) -> None:
        asked = decode_question(question.payload)
        for book in self._sharing.serving:
            shards, answer = await self._rankings.worst(book, asked)
            if self._leases.sure:
                await self._questions.answer(question, shards, encode_answer(answer))

    async def _answer_queue(self, question: Question) -> None:
        tell = self._queues.first if question.kind == QUEUE else self._queues.ahead
        for book in self._sharing.serving:
            shards, answer = await tell(book, question.payload)
            if self._leases.sure:
                await self._questions.answer(question, shards, answer)

    async def _answer_names(self, question: Question) -> None:
        asked = decode_names_question(question.payload)
        async for shards, found in names(self._sharing, asked):
            if self._leases.sure:
                await self._questions.answer(question, shards, encode_names(found))
