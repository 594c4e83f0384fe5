"""A whole service to be looked at from the terminal, and what is broken in it for a while."""

import asyncio
from pathlib import Path
from typing import Any

from service.demo.listener import Service
from service.doctor.examine import examine
from service.doctor.findings import Finding, Report
from service.settings import Settings
from service.store import embedded, keys
from service.store.client import connect
from tests.e2e.running_service import RunningService, until

TOKEN = "operator-of-the-doctors-tests"
MARK_MAX_AGE_S = 5.0


class Patient:
    """A whole service, and a doctor beside it."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.service = RunningService(self.data_dir)
        self.service.http.headers["Authorization"] = f"Bearer {TOKEN}"
        self.store = embedded.socket_path(self.data_dir)
        self.port = int(self.service.url.rpartition(":")[2])

    def settings(self, **more: Any) -> Settings:
        known = {"data_dir": str(self.data_dir), "port": self.port, "bootstrap_key": TOKEN}
        rules = {"mark_max_age_s": MARK_MAX_AGE_S, "shards": 4}
        return Settings.model_validate(known | rules | more)

    def examined(self, token: str = TOKEN, url: str = "", store: str = "", **more: Any) -> Report:
        service = Service(url or self.service.url, token)
        return asyncio.run(
            examine(self.settings(), store or f"unix://{self.store}", service, **more)
        )

    def fresh_marks(self) -> None:
        """Post marks until they are believed: after a silence it takes some."""

        def believed() -> bool:
            answer = self.service.http.post(
                "/v1/marks", json={"marks": [{"symbol": "BTC/USDT:USDT", "markPrice": 60_000}]}
            )
            assert answer.status_code == 200, answer.text
            return not self.told("HLEN", keys.QUALITIES)

        until(believed)

    def told(self, *command: str) -> Any:
        """Ask the store itself."""

        async def ask() -> Any:
            async with connect(f"unix://{self.store}") as client:
                return await client.call(*command)

        return asyncio.run(ask())


def only(report: Report, code: str) -> Finding:
    """Return the one finding there is; each says what, why and how to mend it."""
    assert [finding.code for finding in report.findings] == [code], report.findings
    (finding,) = report.findings
    assert all((finding.what, finding.why, finding.mend))
    return finding
