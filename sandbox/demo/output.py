"""What the demo prints: headings, the daemon's steps as they happen, and the summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.console import Console
from rich.table import Table

from rotator.core.messages import stamp
from sandbox.common import Json
from sandbox.demo.setup import DemoGateway
from sandbox.fleet import Deployed

LAST_LINES = 15
"""Log lines of the daemon that are shown when the demo fails."""


class Output:
    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._rotations = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("GATEWAY", "TRIGGER", "TOKEN", "KEY", "UNTIL", "PODS REPLACED"):
            self._rotations.add_column(column)

    def heading(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/]")

    def note(self, text: str) -> None:
        self._console.print("   ", text, markup=False)

    def trigger(self, gateway: DemoGateway) -> None:
        self.heading(f"{gateway.name}: rotated by {gateway.trigger}")

    def deployed(self, gateway: DemoGateway, place: Deployed) -> None:
        where = f"{place.namespace}/{place.secret}, key {place.key}"
        token = f"token {place.token_fingerprint}, {gateway.days:g} days left"
        self.note(f"{gateway.name:7} {gateway.layout:7} {where}: {token}")

    def daemon_line(self, line: Json) -> None:
        """Show a log line of the daemon if it reports a step."""
        if line["event"] == "step" and line["level"] == "info":
            self.note(f"{line['gateway']}: {line['step']} ({line['reason']}): {line['why']}")

    def rotated(
        self,
        gateway: DemoGateway,
        place: Deployed,
        annotations: Mapping[str, str],
        before: list[str],
        after: list[str],
    ) -> None:
        """Report a verified rotation; `before` and `after` are the names of the gateway's pods."""
        new = annotations["apim-token-rotator/fingerprint"]
        expires_at = datetime.fromisoformat(annotations["apim-token-rotator/expires-at"])
        pods = ", ".join(after)
        self._console.print(f"    [green]✔[/] every pod of {gateway.name} authenticates with {new} ({pods})")
        self._rotations.add_row(
            gateway.name,
            gateway.trigger,
            f"{place.token_fingerprint} → {new}",
            annotations["apim-token-rotator/key"],
            stamp(expires_at),
            f"{len(set(before) - set(after))} of {len(before)}",
        )

    def summary(self, seconds: float, tokens: int) -> None:
        self.heading("Summary")
        self._console.print(self._rotations)
        self._console.print(
            f"\n[green]✔[/] three gateways rotated and verified in {seconds:.1f} s; "
            f"Azure was asked for a token {tokens} times"
        )

    def failed(self, why: str) -> None:
        self._console.print(f"\n[red]✘ The demo failed:[/] {why}")

    def daemon_log(self, lines: Iterable[Json]) -> None:
        """Show the daemon's last log lines."""
        self.heading("The daemon's last lines")
        for line in list(lines)[-LAST_LINES:]:
            self.note(" ".join(f"{name}={value}" for name, value in line.items()))
