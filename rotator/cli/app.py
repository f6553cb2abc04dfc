"""The command line. Each command is imported when it is called: `--help` does not wait for the SDKs."""

from __future__ import annotations

import os
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rotator import __version__
from rotator.cli.columns import explained
from rotator.cli.exits import Exit, UsageError, exit_for
from rotator.errors import ConfigError, RotatorError

app = typer.Typer(
    name="rotator",
    help="Rotates the access tokens of Azure API Management self-hosted gateways.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done · 1 not proven yet · 2 usage or configuration · 3 Azure or Kubernetes "
    "unavailable · 4 another process works on it · 5 rolled back · 70 a defect · 130 interrupted",
)

Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="ROTATOR_CONFIG", help="The configuration file (TOML).", show_envvar=True
    ),
]
Names = Annotated[
    list[str] | None, typer.Argument(help="Names of gateways in the configuration.", metavar="GATEWAY...")
]
DEFAULT = Path("config.toml")


class Form(StrEnum):
    TABLE = "table"
    JSON = "json"


Output = Annotated[Form, typer.Option("--output", "-o", help="How to print it.")]


def version(*, wanted: bool) -> None:
    if wanted:
        print(f"rotator {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda value: version(wanted=value), is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Rotates the access tokens of Azure API Management self-hosted gateways."""


@app.command()
def run(config: Config = DEFAULT) -> None:
    """Serve: take Event Grid events, watch the calendar, rotate. What the pod runs."""
    from rotator.cli.run import run as command

    raise typer.Exit(command(config))


@app.command("rotate-now")
def rotate_now(
    gateways: Names = None,
    config: Config = DEFAULT,
    every: Annotated[bool, typer.Option("--all", help="Rotate every gateway of the configuration.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Rotate even what was rotated within the last hour, and outside windows or in a freeze.",
        ),
    ] = False,
    revoke_previous: Annotated[
        bool,
        typer.Option(
            "--revoke-previous",
            help="A token leaked: rotate at once, and end all tokens of the old key when no pod needs them.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Rotate in this process, or leave it to the service.")
    ] = True,
) -> None:
    """Issue new tokens now, roll the pods over, and prove it."""
    from rotator.cli.rotate_now import RotateOptions
    from rotator.cli.rotate_now import rotate_now as command

    raise typer.Exit(
        command(
            config,
            gateways or [],
            RotateOptions(every=every, force=force, leak=revoke_previous, dry_run=dry_run, wait=wait),
        )
    )


@app.command()
def plan(gateways: Names = None, config: Config = DEFAULT) -> None:
    """Say what would be done next, and why. Writes nothing."""
    from rotator.cli.show import plan as command

    raise typer.Exit(command(config, gateways or []))


@app.command(help=f"Show each gateway's token, its expiry and who runs it. Writes nothing.\n\n{explained()}")
def status(gateways: Names = None, config: Config = DEFAULT, output: Output = Form.TABLE) -> None:
    from rotator.cli.show import status as command

    raise typer.Exit(command(config, gateways or [], as_json=output is Form.JSON))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running and print commands to try.")] = False,
) -> None:
    """Rotate three gateways in the sandbox of a clone: no cloud, no cluster."""
    from rotator.cli.demo import demo as command

    command(keep=keep)


def main() -> None:
    """Run the command line; errors of ours become a sentence and an exit code."""
    os.environ.setdefault(
        "HOME", "/"
    )  # a user without a home: the Kubernetes client asks for one when imported
    try:
        app()
    except ConfigError as error:
        print("The configuration cannot be used:", file=sys.stderr)
        print("\n".join(f"  - {line}" for line in error.errors), file=sys.stderr)
        sys.exit(Exit.USAGE)
    except UsageError as error:
        print(error, file=sys.stderr)
        sys.exit(Exit.USAGE)
    except RotatorError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(exit_for(error))
    except Exception as error:  # noqa: BLE001 - the border: its text may quote a Secret, its places do not
        places = [f"  {f.filename}:{f.lineno} in {f.name}" for f in traceback.extract_tb(error.__traceback__)]
        what = f"A defect of rotator {__version__} ({type(error).__name__}). Report it with these lines:"
        print("\n".join([what, *places]), file=sys.stderr)
        sys.exit(Exit.BUG)
