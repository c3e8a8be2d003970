"""The watcher's job that sends telemetry; OpenTelemetry's packages are loaded only where a receiver is configured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from config.settings import Settings
from proxy.service.client import Access
from scoring.watch import Job

if TYPE_CHECKING:
    from scoring.export.telemetry import Export


@dataclass(slots=True)
class Standing:
    """An export between two runs of its job; the lock is held as long as the process lives."""

    settings: Settings
    export: Export | None = None
    lock: int | None = None

    def run(self, access: Access, at: datetime) -> None:
        """Send what there is. Raises Taken, NoPosition, ConfigError, ServiceError."""
        from scoring.export import position
        from scoring.export.telemetry import Export

        if self.lock is None:
            self.lock = position.hold(self.settings.data_dir)
        if self.export is None:
            self.export = Export(self.settings, position.load(self.settings.data_dir))
        self.export.run(access, at.astimezone(UTC))


def telemetry(settings: Settings) -> Job | None:
    """The job; None where no receiver is configured."""
    return Job("otel", settings.otel.every, Standing(settings).run) if settings.otel.endpoint else None
