"""Reads the configuration file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from rotator.config import error_messages, validate
from rotator.config.errors import Json, format_errors
from rotator.config.schema.defaults import PolicyTable
from rotator.config.schema.document import Document, GatewaySettings, Settings
from rotator.config.schema.gateways import GatewayTable
from rotator.config.types.windows import Calendar
from rotator.core.policy import Policy
from rotator.core.records import Revocation
from rotator.errors import ConfigError

_TOML = 'Correct that line: key = "text", key = 5, or the heading of a table, [name] or [[name]]'


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Return the settings in the TOML file. Paths in it are relative to its folder; `~` is HOME of environ.

    Raises:
        ConfigError: all errors at once, each with its path and what to write instead.
    """
    raw = _read(path)
    errors = validate.check(raw)
    document: Document | None = None
    try:
        document = Document.model_validate(raw)
    except ValidationError as error:
        errors += error_messages.explain(error)
    errors += validate.check_times(raw)
    if document is None or errors:
        raise ConfigError(format_errors(errors, raw))
    return _settings(document, path.parent, environ)


def _read(path: Path) -> Json:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            (f"{path}: there is no such file. Copy config.example.toml, or name another file",)
        ) from None
    except OSError as error:
        raise ConfigError(
            (f"{path}: cannot be read ({error.strerror}). Let the rotator read it, or name another file",)
        ) from error
    except UnicodeDecodeError:
        raise ConfigError((f"{path}: is not UTF-8 text. Save it as UTF-8",)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((f"{path}: is not valid TOML: {error}. {_TOML}",)) from None
    except RecursionError:
        raise ConfigError((f"{path}: is nested too deeply. Check that every bracket is closed",)) from None
    except ValueError:
        # Python's own limit: https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        raise ConfigError((f"{path}: has a number of thousands of digits. Write a shorter one",)) from None


def _settings(document: Document, folder: Path, environ: Mapping[str, str]) -> Settings:
    def resolved(path: Path | None) -> Path | None:
        return _resolve(path, folder, environ) if path else None

    azure, kubernetes, webhook = document.azure, document.kubernetes, document.webhook
    return Settings(
        azure=azure.model_copy(update={"ca_file": resolved(azure.ca_file)}),
        kubernetes=kubernetes.model_copy(update={"kubeconfig": resolved(kubernetes.kubeconfig)}),
        webhook=webhook.model_copy(update={"secret_file": resolved(webhook.secret_file)}),
        pull=document.pull,
        internal=document.internal,
        log=document.log,
        rotation=document.rotation,
        gateways=tuple(_gateway(document.defaults, table) for table in document.gateways),
    )


def _gateway(defaults: PolicyTable, table: GatewayTable) -> GatewaySettings:
    merged = defaults.overlaid_with(table)
    calendar = Calendar(merged.windows or (), merged.freeze or False)
    return GatewaySettings(table.name, table.resource_id, _policy(merged), calendar, table.targets)


def _policy(table: PolicyTable) -> Policy:
    """Return the policy of a table that passed validation. What it does not say has its built-in value."""
    written = {
        name: value for name, value in table if value is not None and name not in {"windows", "freeze"}
    }
    if lifetime := written.pop("token_lifetime", None):
        written["lifetime"] = lifetime
    if revoke := written.pop("revoke", None):
        written["revoke"] = Revocation(revoke)
    return Policy(**written)


def _resolve(path: Path, folder: Path, environ: Mapping[str, str]) -> Path:
    if path.parts[:1] == ("~",) and (home := environ.get("HOME")):
        return Path(home, *path.parts[1:])
    return folder / path
