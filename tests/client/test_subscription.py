"""What a subscription makes of its frames: gaps are told whole, nothing comes twice."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from plimsoll import Alert, Snapshot, SubscriptionRefused, UnexpectedAnswer
from plimsoll.subscription import Subscription
from tests.client.test_contract import example

(ALERT,) = example("AlertsFrame")["alerts"]


def alerts(cursor: str, *seqs: int, epoch: str = "e1", account: str = "a1") -> str:
    listed = [
        {**ALERT, "id": f"{account}-{seq}", "accountId": account, "seq": seq, "epoch": epoch}
        for seq in seqs
    ]
    return json.dumps({"type": "alerts", "id": "alerts", "alerts": listed, "cursor": cursor})


def subscribed(recovered: bool, cursor: str, epoch: str = "e1") -> str:
    frame = {"type": "subscribed", "id": "alerts", "channel": "alerts", "epoch": epoch}
    return json.dumps({**frame, "recovered": recovered, "cursor": cursor})


def snapshot(cursor: str, *accounts: str, complete: bool = True) -> str:
    pools = [{"pool": {"kind": "cross", "settle": "USDT"}, "level": "WARNING", "seq": 3}]
    listed = [{"accountId": name, "level": "WARNING", "pools": pools} for name in accounts]
    frame = {"type": "snapshot", "id": "alerts", "accounts": listed, "complete": complete}
    return json.dumps({**frame, "cursor": cursor})


def since(subscription: Subscription) -> Any:
    return json.loads(subscription.open())["since"]


def taken(subscription: Subscription, *frames: str) -> list[Any]:
    """Everything that the frames bring, as short names."""
    events: list[Any] = []
    for frame in frames:
        batch = subscription.take(frame)
        events += batch.events if batch else []
    return [event.id if isinstance(event, Alert) else event for event in events]


def begun(*accounts: str, levels: Sequence[Any] | None = None) -> Subscription:
    subscription = Subscription(accounts or ("*",), levels, None)
    subscription.open()
    taken(subscription, subscribed(False, "c0"), snapshot("c0"))
    return subscription


def test_a_first_snapshot_is_the_state_now_and_no_loss() -> None:
    subscription = Subscription(["a*"], ["WARNING"], None)
    frame = json.loads(subscription.open())
    assert (frame["accounts"], frame["levels"], frame["since"]) == (["a*"], ["WARNING"], None)
    (event,) = taken(subscription, subscribed(False, "c0"), snapshot("c0", "a1"))
    assert isinstance(event, Snapshot)
    assert (event.history_lost, [each.account_id for each in event.accounts]) == (False, ["a1"])
    assert since(subscription) == "c0"


def test_a_log_that_no_longer_reaches_back_is_told() -> None:
    for known in (begun(), Subscription(["*"], None, "kept")):
        known.open()
        (event,) = taken(known, subscribed(False, "c9", "e2"), snapshot("c9"))
        assert event == Snapshot([], history_lost=True, epoch="e2")


def test_a_gap_cannot_get_lost_with_the_connection() -> None:
    """The position stays where it was until the snapshot is whole: the gap is found again."""
    subscription = Subscription(["*"], None, "kept")
    for _ in range(2):
        assert since(subscription) == "kept"
        assert taken(subscription, subscribed(False, "c9")) == []
        assert taken(subscription, snapshot("c9", "a1", complete=False)) == []
    assert since(subscription) == "kept"
    frames = (
        subscribed(False, "c9"),
        snapshot("c9", "a1", "a2", complete=False),
        snapshot("c9", "a2", "a3"),
    )
    (event,) = taken(subscription, *frames)
    assert event.history_lost
    assert [(each.account_id, len(each.pools)) for each in event.accounts] == [
        ("a1", 1),
        ("a2", 2),  # came in two pieces
        ("a3", 1),
    ]
    assert since(subscription) == "c9"


def test_a_recovered_subscription_has_no_snapshot() -> None:
    subscription = Subscription(["*"], None, "kept")
    subscription.open()
    assert taken(subscription, subscribed(True, "kept"), alerts("c1", 4)) == ["a1-4"]
    assert since(subscription) == "c1"


def test_what_is_sent_again_is_left_out() -> None:
    subscription = begun()
    assert taken(subscription, alerts("c1", 1, 2), alerts("c2", 2, 3)) == ["a1-1", "a1-2", "a1-3"]
    assert taken(subscription, alerts("c3", 3), alerts("c4", 1, account="a2")) == ["a2-1"]
    assert since(subscription) == "c4"


def test_a_seq_of_a_new_log_is_another_alert() -> None:
    """A server that lost its last seconds gives their numbers away again."""
    subscription = begun()
    taken(subscription, alerts("c1", 1, 2))
    assert taken(subscription, alerts("c2", 2, epoch="e2"), alerts("c3", 2, epoch="e2")) == ["a1-2"]


def test_a_batch_carries_the_cursor_behind_it() -> None:
    subscription = begun()
    batch = subscription.take(alerts("c1", 1, 2))
    assert batch is not None
    assert (len(batch.events), batch.cursor) == (2, "c1")
    beat = {"type": "heartbeat", "id": "alerts", "cursor": "c2"}
    silent = subscription.take(json.dumps(beat))
    assert silent is not None
    assert (silent.events, silent.cursor) == ([], "c2")
    assert subscription.take(json.dumps({**beat, "cursor": None})) is None
    assert since(subscription) == "c2"


@pytest.mark.parametrize("frame", ['{"type":"notice","notice":"restart"}', '{"type":"new"}'])
def test_frames_that_are_not_for_it_are_left_out(frame: str) -> None:
    assert begun().take(frame) is None


@pytest.mark.parametrize(
    "frame", ["no JSON", "[]", "{}", '{"type":"alerts"}', '{"type":"subscribed","id":"alerts"}']
)
def test_what_is_no_frame_is_not_guessed_at(frame: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        begun().take(frame)


def test_a_refusal_ends_it() -> None:
    frame = {"type": "error", "code": "invalid_cursor", "detail": "not one of ours"}
    with pytest.raises(SubscriptionRefused) as refused:
        begun().take(json.dumps(frame))
    assert refused.value.code == "invalid_cursor"


def test_one_account_is_a_list_too() -> None:
    with pytest.raises(TypeError):
        Subscription("a1", None, None)
