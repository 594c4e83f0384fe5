"""New alerts of all shards as frames: filtered and framed once for all clients.

The alerts' own bytes go out unchanged, in the one order of all shards. The cursor of a frame says
how far that is in each of them; so a client that is cut off between two frames of a burst, inside
one market entry or not, resumes exactly there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import msgspec

from service.contract.alerts import LEVEL_NAMES
from service.contract.cursor import encode_cursor
from service.contract.selection import Selection
from service.contract.silences import NONE, Silences
from service.store.keys import split_tenant_key, tenant_key
from service.store.log_order import Ordered


class _Moment(msgspec.Struct, rename="camel", gc=False):
    event_time: int


_moments = msgspec.json.Decoder(_Moment)
_ENVELOPE_MAX = 512  # keys, punctuation and the longest subscription id, without the cursor


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's text, and the offsets by shard of the last alerts that it speaks for."""

    text: str
    offsets: tuple[int, ...]


class Burst:
    """Alerts that follow the offsets `before` without a gap; at least one."""

    def __init__(
        self, epoch: str, alerts: Ordered, frame_max: int, silences: Silences = NONE
    ) -> None:
        self.keys = alerts.keys
        self.before = alerts.before
        self.traces = alerts.traces
        self.after = alerts.offsets(len(alerts.keys))
        self._ordered = alerts
        self._epoch = epoch
        self._silences = silences
        self._silent: dict[str, frozenset[int]] = {}
        self._room = frame_max - _ENVELOPE_MAX - len(encode_cursor(epoch, self.after)) - 16
        self._whole: dict[str, list[Frame]] = {}
        self._places: dict[int, tuple[tuple[int, ...], str]] = {}

    @property
    def event_time_ms(self) -> int:
        """The event time of the last alert."""
        return _moments.decode(self._ordered.alerts[-1]).event_time

    @cached_property
    def _tenants(self) -> set[str]:
        return {split_tenant_key(key)[0] for key in self.keys}

    def frames_for(self, subscription_id: str, selection: Selection) -> list[Frame]:
        """Return what a subscription gets of this; those of a whole tenant share their frames."""
        if (
            selection.everything
            and selection.levels is None
            and self._tenants == {selection.tenant}
            and not self._passed_over(selection)
        ):
            if subscription_id not in self._whole:
                frames = self._frames(subscription_id, self._whole_bodies)
                self._whole[subscription_id] = list(frames)
            return self._whole[subscription_id]
        wanted = [at for at, key in enumerate(self.keys) if selection.wants_account(key)]
        return self.frames_of(subscription_id, selection, wanted)

    def frames_of(
        self, subscription_id: str, selection: Selection, wanted: list[int]
    ) -> list[Frame]:
        """Return frames of these alerts (indexes into `keys`) that are of the levels wanted."""
        if selection.levels is not None:
            levels = self._ordered.levels
            wanted = [at for at in wanted if selection.wants_level(LEVEL_NAMES[levels[at]])]
        if silent := self._passed_over(selection):
            wanted = [at for at in wanted if at not in silent]
        return list(self._frames(subscription_id, self._bodies(wanted))) if wanted else []

    def _passed_over(self, selection: Selection) -> frozenset[int]:
        """Return the alerts that a selection does not want because they are under a silence."""
        tenant = selection.tenant
        if selection.silenced or not self._silences.any_of(tenant):
            return frozenset()
        if tenant not in self._silent:
            ordered, opening = self._ordered, tenant_key(tenant, "")
            self._silent[tenant] = frozenset(
                at
                for at, key in enumerate(self.keys)
                if key.startswith(opening)
                and self._silences.covers(
                    tenant, key, LEVEL_NAMES[ordered.levels[at]], ordered.alerts[at]
                )
            )
        return self._silent[tenant]

    def _frames(self, subscription_id: str, bodies: Iterable[tuple[str, int]]) -> Iterator[Frame]:
        opening = '{"type":"alerts","id":' + msgspec.json.encode(subscription_id).decode()
        for body, count in bodies:
            offsets, cursor = self._place(count)
            yield Frame(f'{opening},"alerts":[{body}],"cursor":"{cursor}"}}', offsets)

    @cached_property
    def _whole_bodies(self) -> list[tuple[str, int]]:
        return list(self._bodies(range(len(self.keys))))

    def _bodies(self, wanted: Iterable[int]) -> Iterator[tuple[str, int]]:
        """Yield joined alerts that fit one frame, and how many of all the frame speaks for.

        The last frame speaks for the whole burst: what was filtered out is dealt with as well.
        """
        part: list[bytes] = []
        size, count = 0, 0
        for at in wanted:
            raw = self._ordered.alerts[at]
            if part and size + len(raw) > self._room:
                yield b",".join(part).decode(), count
                part, size = [], 0
            part.append(raw)
            size += len(raw) + 1
            count = at + 1
        yield b",".join(part).decode(), len(self.keys)

    def _place(self, count: int) -> tuple[tuple[int, ...], str]:
        """Return the offsets after so many alerts, and their cursor."""
        if count not in self._places:
            offsets = self._ordered.offsets(count)
            self._places[count] = offsets, encode_cursor(self._epoch, offsets)
        return self._places[count]
