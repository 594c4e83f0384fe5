"""Every setting of the service: read once from `PLIMSOLL_*`, passed down, never imported."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_serializer, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.feeds.venue import FeedName

RELEASE = "0.1.0"  # as pyproject.toml has it, also where nothing is installed


class Settings(BaseSettings):
    """One field a setting; the description is what `plimsoll config` and the README print."""

    model_config = SettingsConfigDict(
        env_prefix="PLIMSOLL_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", description="address the API listens on")
    require_keys: bool = Field(
        False, description="whoever calls needs an API key (`plimsoll keys create`)"
    )
    bootstrap_key: SecretStr | None = Field(
        None,
        min_length=20,
        description="a token that may do everything, in tenant `default`; keys are then required",
    )
    allow_public: bool = Field(
        False, description="listen on addresses that other machines reach, though without keys"
    )
    port: int = Field(8000, ge=0, le=65_535, description="port the API listens on")
    redis_url: str | None = Field(
        None,
        description="Redis or Valkey to use, or nodes of a cluster; none starts the embedded one",
    )
    data_dir: str = Field(
        "data", description="where the embedded Valkey keeps its append-only file"
    )
    appendfsync: Literal["always", "everysec", "no"] = Field(
        "always", description="how durable the embedded Valkey is before it answers"
    )
    shards: int = Field(
        64, ge=1, le=1_024, description="account shards; fixed for a data directory"
    )
    workers: int = Field(1, ge=1, le=64, description="API worker processes")
    monitors: int = Field(1, ge=1, le=64, description="monitor processes; they share the shards")

    event_time: Literal["received", "source"] = Field(
        "received", description="whose clock decides: ours, or the marks' own (replays and tests)"
    )
    mark_max_age_s: float = Field(
        10.0, gt=0.0, description="a symbol without a mark for longer is stale"
    )
    mark_max_ahead_s: float = Field(
        60.0, gt=0.0, description="a mark further in the future is refused"
    )
    pegged_assets: tuple[str, ...] = Field(
        (), description="assets counted at exactly 1 USD besides USD (JSON list)"
    )

    feeds: Annotated[tuple[FeedName, ...], NoDecode] = Field(
        (), description="venues whose marks are taken, with commas: `binance,okx`"
    )
    feed_urls: dict[FeedName, str] = Field(
        {}, description="other hosts by feed (JSON object): of its streams, then of its lists"
    )

    body_max_bytes: int = Field(
        16 * 2**20, ge=1_024, description="largest request body, or line of one in NDJSON"
    )
    body_timeout_s: float = Field(30.0, gt=0.0, description="a body must have arrived by then")
    accounts_max: int = Field(10_000, ge=1, description="most accounts in one call")
    positions_max: int = Field(100_000, ge=1, description="most positions in one call")
    scenarios_max: int = Field(1_000, ge=1, description="most scenarios in one call")
    simulated_max: int = Field(
        2_000_000, ge=1, description="most accounts or positions of a call, times its scenarios"
    )

    bodies_max_bytes: int = Field(
        256 * 2**20,
        ge=2**20,
        description="most that large request bodies take of a worker's memory; beyond it 503",
    )
    idempotency_s: float = Field(
        86_400.0, ge=60.0, description="how long the answer to a call with Idempotency-Key is kept"
    )
    idempotency_max_bytes: int = Field(
        256 * 2**20, ge=2**20, description="most that kept answers of a key take; beyond it 429"
    )
    evaluations_max: int = Field(
        500, ge=1, description="most evaluations that wait in a worker; beyond them 503"
    )
    evaluations_max_bytes: int = Field(
        32 * 2**20, ge=65_536, description="most bytes of the large ones among them; beyond it 503"
    )

    map_timeout_s: float = Field(
        120.0, gt=0.0, description="the monitors must have made a liquidation map by then"
    )

    log_retention_s: float = Field(
        7 * 86_400.0, gt=0.0, description="how long alerts can be read again"
    )
    log_max_alerts: int = Field(1_000_000, ge=1, description="most alerts kept by a shard")
    market_max_entries: int = Field(
        1_000_000, ge=1_000, description="most entries kept in the market stream"
    )

    allowed_origins: tuple[str, ...] = Field(
        (), description="web origins besides our own that may open the stream (JSON list)"
    )
    connections_per_key_max: int = Field(
        1_000,
        ge=1,
        description="most streams of a key from one API worker, by WebSocket and as events",
    )
    rate_limit_per_s: float = Field(
        10_000.0,
        ge=0.0,
        allow_inf_nan=False,
        description="units that a key has for its calls in a second, of all workers; 0: no limit",
    )
    rate_limit_burst_s: float = Field(
        10.0, gt=0.0, le=3_600.0, description="units of so many seconds may be used at once"
    )
    heartbeat_s: float = Field(15.0, gt=0.0, description="a silent subscription gets a heartbeat")
    session_queue_bytes: int = Field(
        4 * 2**20,
        ge=65_536,
        description="most that waits for one client; beyond it is served from the log",
    )
    frame_max_bytes: int = Field(
        256 * 1_024, ge=4_096, description="no frame we send is larger; lists are split"
    )
    client_frame_max_bytes: int = Field(
        64 * 1_024, ge=1_024, description="no frame we accept is larger"
    )
    webhook_allow_http: bool = Field(
        False, description="webhooks and targets may be without TLS, readable on the way"
    )
    webhook_allow_private: bool = Field(
        False, description="webhooks and targets may lead to addresses that are not public"
    )
    webhook_timeout_s: float = Field(
        10.0, gt=0.0, description="a webhook's receiver must have answered by then"
    )
    webhook_give_up_s: float = Field(
        86_400.0, gt=0.0, description="a delivery is tried for so long, then it is a dead letter"
    )
    targets: bool = Field(
        False, description="chats, mail and the like are told of alerts (needs the extra `notify`)"
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much the service says"
    )

    @property
    def keys_in_force(self) -> bool:
        """Whether whoever calls needs a key."""
        return self.require_keys or self.bootstrap_key is not None

    @field_validator("feeds", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        """Take names with commas between them, each once."""
        if not isinstance(given, str):
            return given
        return tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))

    @field_serializer("feeds", when_used="json")
    def _joined(self, feeds: tuple[str, ...]) -> str:
        """As the variable has them."""
        return ",".join(feeds)

    @field_serializer("bootstrap_key", when_used="json")
    def _as_given(self, secret: SecretStr | None) -> str | None:
        """As our child processes need it; printed or logged it stays hidden."""
        return None if secret is None else secret.get_secret_value()
