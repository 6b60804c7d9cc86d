"""Settings, read once from the environment."""

from functools import cached_property
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]


class Settings(BaseSettings):
    """What the environment says; pass it down, never read the environment elsewhere."""

    model_config = SettingsConfigDict(env_prefix="MLOPS_", frozen=True, extra="ignore", populate_by_name=True)

    home: Path = Path(".mlops")
    """Folder of the embedded server, MLflow's artifacts and the written pages."""
    project: Path | None = None
    """The team's project; None means the working folder if it is one, else the package's own files."""
    database_url: str | None = None
    """A PostgreSQL 15 to 18 server (``postgresql://user@host/name``); None means the embedded one."""
    mlflow_tracking_uri: str | None = Field(
        default=None, validation_alias=AliasChoices("MLFLOW_TRACKING_URI", "mlflow_tracking_uri")
    )
    """MLflow's store; None means schema ``mlflow`` of the same database."""
    artifact_hosts: str = ""
    """Hosts, by commas, that files of models may be fetched from beside MLflow's server: ``host``, ``s3://bucket`` …"""
    parallel: str = "loky"
    """``loky`` (this machine's cores), ``serial``, or a Dask scheduler's address (``tcp://host:port``)."""
    webhook_secret: SecretStr | None = None
    """What MLflow signs its webhooks with; needed to listen for them."""
    alert_webhook_url: SecretStr | None = None
    """Where channels of kind webhook post alerts when the policy names no ``url``: for addresses that are secret."""
    alert_webhook_secret: SecretStr | None = None
    """What alerts that are posted to a webhook are signed with."""
    smtp_user: str | None = None
    """Who logs in at the mail server of a channel of kind email."""
    smtp_password: SecretStr | None = None
    """The password of `smtp_user`; it is never sent without TLS."""

    @cached_property
    def root(self) -> Path:
        """`home` as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps the files of runs and models."""
        return self.root / "artifacts"

    @property
    def archive(self) -> Path:
        """Where months are archived before they are dropped."""
        return self.root / "archive"

    @property
    def reports(self) -> Path:
        """Where weekly reviews and drill-down pages are written."""
        return self.root / "reports"
