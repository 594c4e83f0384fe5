"""Every setting of the service: read once from `PLIMSOLL_*`, passed down, never imported."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_serializer, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.contract.quality import AllowsName
from service.feeds.venue import check_feed
from service.logs import FormatName, LevelName

AnyFeed = Annotated[str, AfterValidator(check_feed)]

RELEASE = "0.1.0"  # as pyproject.toml has it, also where nothing is installed


class Settings(BaseSettings):
    """One field a setting; the description is what `plimsoll config` and the README print."""

    model_config = SettingsConfigDict(
        env_prefix="PLIMSOLL_",
        env_file=".env",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
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
    mark_band: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="a mark that is posted and jumps by a larger share is held; 0: none is",
    )
    feed_mark_band: float = Field(
        0.1, ge=0.0, lt=1.0, description="the same of the marks of `feeds`"
    )
    mark_confirm_s: float = Field(
        2.0, ge=0.0, le=3_600.0, description="a jump that has lasted so long is believed"
    )
    mark_confirm_marks: int = Field(
        3, ge=1, le=1_000, description="and that was said by so many marks"
    )
    mark_implausible_factor: float = Field(
        4.0, gt=1.0, le=1_000.0, description="a jump up or down by this factor must last longer"
    )
    mark_implausible_s: float = Field(
        60.0, ge=0.0, le=86_400.0, description="so long, unless another source agrees"
    )
    mark_warmup_marks: int = Field(
        3, ge=1, le=1_000, description="marks that a stale symbol needs before it is believed again"
    )
    mark_sources_min: int = Field(
        1, ge=1, le=16, description="sources that must agree; with fewer a symbol is degraded"
    )
    mark_allows: dict[Literal["degraded", "suspect", "stale"], AllowsName] = Field(
        {}, description="what marks of a quality raise accounts to (JSON object), see docs/marks.md"
    )
    market_volatility_band: float = Field(
        4.0, ge=0.0, le=1_000.0, description="a market that moves more a year is volatile; 0: none"
    )
    market_divergence_band: float = Field(
        0.02, ge=0.0, le=10.0, description="a mark further from its index diverges; 0: none does"
    )
    market_hysteresis: float = Field(
        0.2, ge=0.0, lt=1.0, description="share of a band that a market must come back inside it"
    )
    pegged_assets: tuple[str, ...] = Field(
        (), description="assets counted at exactly 1 USD besides USD (JSON list)"
    )

    feeds: Annotated[tuple[AnyFeed, ...], NoDecode] = Field(
        (), description="venues whose marks are taken, with commas: `binance,okx,ccxt:gate`"
    )
    feed_symbols: dict[AnyFeed, tuple[str, ...]] = Field(
        {}, description="which symbols of a `ccxt:` feed (JSON object); all, where it is not named"
    )
    feed_urls: dict[AnyFeed, str] = Field(
        {}, description="other hosts by feed (JSON object): of its streams, then of its lists"
    )

    sync_file: str | None = Field(
        None, description="accounts that are kept as their venues say (sync.toml; extra `ccxt`)"
    )
    sync_url: str | None = Field(
        None, description="the service that they are written to, where the file does not say"
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
        120.0, gt=0.0, description="the monitors must have made a map or scenarios by then"
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

    log_level: LevelName = Field("info", description="how much the service says")
    log_format: FormatName = Field(
        "text", description="lines for people, or of JSON with the ids of what they are about"
    )

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="collector that traces are sent to (OTLP over HTTP; needs the extra `otel`)",
    )
    trace_share: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="part of the calls with marks that is traced without being asked",
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

    @field_validator("mark_allows")
    @classmethod
    def _no_liquidation_by_old_marks(cls, allows: dict[str, AllowsName]) -> dict[str, AllowsName]:
        """A stale mark liquidates nobody, whatever is set."""
        if allows.get("stale") == "liquidate":
            raise ValueError("a stale mark liquidates nobody")
        return allows

    @field_serializer("feeds", when_used="json")
    def _joined(self, feeds: tuple[str, ...]) -> str:
        """As the variable has them."""
        return ",".join(feeds)

    @field_serializer("bootstrap_key", when_used="json")
    def _as_given(self, secret: SecretStr | None) -> str | None:
        """As our child processes need it; printed or logged it stays hidden."""
        return None if secret is None else secret.get_secret_value()
