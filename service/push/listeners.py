"""Which live subscriptions hear of which alerts: found by account, or looked for by pattern."""

from collections.abc import Iterator

from service.push.bursts import Burst, Frame
from service.push.subscriptions import AlertSubscription


class Listeners:
    """The subscriptions that are live, by what they want."""

    def __init__(self) -> None:
        self._all: set[AlertSubscription] = set()
        self._by_pattern: set[AlertSubscription] = set()
        self._by_account: dict[str, set[AlertSubscription]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[AlertSubscription]:
        return iter(self._all)

    def add(self, subscription: AlertSubscription) -> None:
        self._all.add(subscription)
        if subscription.selection.prefixes:
            self._by_pattern.add(subscription)
            return
        for key in subscription.selection.exact:
            self._by_account.setdefault(key, set()).add(subscription)

    def remove(self, subscription: AlertSubscription) -> None:
        """Forget a subscription; one that is not here is fine."""
        if subscription not in self._all:
            return
        self._all.discard(subscription)
        self._by_pattern.discard(subscription)
        for key in subscription.selection.exact:
            listeners = self._by_account.get(key)
            if listeners is not None:
                listeners.discard(subscription)
                if not listeners:
                    del self._by_account[key]

    def frames(self, burst: Burst) -> list[tuple[AlertSubscription, list[Frame]]]:
        """Return what each of those who want anything of the burst gets."""
        found = [
            (subscription, burst.frames_for(subscription.id, subscription.selection))
            for subscription in self._by_pattern
        ]
        if self._by_account:
            wanted: dict[AlertSubscription, list[int]] = {}
            for at, key in enumerate(burst.keys):
                for subscription in self._by_account.get(key, ()):
                    wanted.setdefault(subscription, []).append(at)
            found += [
                (subscription, burst.frames_of(subscription.id, subscription.selection, alerts))
                for subscription, alerts in wanted.items()
            ]
        return found
