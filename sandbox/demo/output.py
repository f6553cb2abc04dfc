"""What the audience sees: the acts, the daemon's steps as they happen, and the summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.console import Console
from rich.table import Table

from rotator.core.messages import stamp
from sandbox.demo.process import Json
from sandbox.demo.setup import Role
from sandbox.fleet import Deployed

LAST_LINES = 15


class Programme:
    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._proofs = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("GATEWAY", "TRIGGER", "TOKEN", "KEY", "UNTIL", "PODS REPLACED"):
            self._proofs.add_column(column)

    def act(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/]")

    def note(self, text: str) -> None:
        self._console.print("   ", text, markup=False)

    def role(self, role: Role) -> None:
        self.act(f"{role.gateway}: rotated by {role.trigger}")

    def gateway(self, role: Role, deployed: Deployed) -> None:
        where = f"{deployed.namespace}/{deployed.secret}, key {deployed.key}"
        token = f"token {deployed.token_fingerprint}, {role.days:g} days left"
        self.note(f"{role.gateway:7} {role.layout:7} {where}: {token}")

    def line(self, line: Json) -> None:
        """Show a step of the daemon when it says it."""
        if line["event"] == "step" and line["level"] == "info":
            self.note(f"{line['gateway']}: {line['step']} ({line['reason']}): {line['why']}")

    def proof(
        self, role: Role, deployed: Deployed, notes: Mapping[str, str], before: list[str], after: list[str]
    ) -> None:
        fresh, until = notes["apim-token-rotator/fingerprint"], notes["apim-token-rotator/expires-at"]
        replaced = len(set(before) - set(after))
        self._console.print(
            f"    [green]✔[/] every pod of {role.gateway} authenticates with {fresh} ({', '.join(after)})"
        )
        self._proofs.add_row(
            role.gateway,
            role.trigger,
            f"{deployed.token_fingerprint} → {fresh}",
            notes["apim-token-rotator/key"],
            stamp(datetime.fromisoformat(until)),
            f"{replaced} of {len(before)}",
        )

    def summary(self, seconds: float, minted: int) -> None:
        self.act("Summary")
        self._console.print(self._proofs)
        self._console.print(
            f"\n[green]✔[/] three gateways rotated and proven in {seconds:.1f} s; "
            f"Azure was asked for a token {minted} times"
        )

    def failed(self, why: str) -> None:
        self._console.print(f"\n[red]✘ The demo failed:[/] {why}")

    def evidence(self, lines: Iterable[Json]) -> None:
        """Show the daemon's last words."""
        self.act("The daemon's last lines")
        for line in list(lines)[-LAST_LINES:]:
            self.note(" ".join(f"{k}={v}" for k, v in line.items()))
