"""Reads the configuration file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from rotator.config import error_messages, later, validate
from rotator.config.errors import Json, Mistake, show
from rotator.config.policies import overlay, to_calendar, to_policy
from rotator.config.schema.document import Document, GatewaySettings, Settings
from rotator.config.schema.gateways import GatewayTable, PolicyTable
from rotator.config.schema.sections import RotationSettings
from rotator.config.times import TIMES, check_jitter, check_times
from rotator.errors import ConfigError

_TOML = 'Mend that line: key = "text", key = 5, or the heading of a table, [name] or [[name]]'


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Return what the TOML file says. Paths in it are relative to its folder; `~` is HOME of environ.

    Raises:
        ConfigError: all mistakes at once, each with its path and what to write instead.
    """
    raw = _read(path)
    cleaned, mistakes = later.take_out(raw)
    mistakes += validate.check(cleaned)
    document: Document | None = None
    try:
        document = Document.model_validate(cleaned)
    except ValidationError as error:
        mistakes += error_messages.explain(error)
    mistakes += _times(cleaned)
    if document is None or mistakes:
        raise ConfigError(show(mistakes, raw))
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
            (f"{path}: cannot be read ({error.strerror}). Name a file that may be read",)
        ) from error
    except UnicodeDecodeError:
        raise ConfigError((f"{path}: is not UTF-8 text. Save it as UTF-8",)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((f"{path}: is no valid TOML: {error}. {_TOML}",)) from None
    except RecursionError:
        raise ConfigError((f"{path}: is nested too deeply. Close the brackets that it opens",)) from None
    except ValueError:
        # Python's own limit: https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        raise ConfigError((f"{path}: has a number of thousands of digits. Write a shorter one",)) from None


def _times(cleaned: Json) -> list[Mistake]:
    """Check how the times of each policy fit together, as far as its own table can be read."""
    defaults = _times_of(cleaned.get("defaults", {}))
    if defaults is None:
        return []
    mistakes = check_times(("defaults",), defaults, defaults)
    gateways, policies = cleaned.get("gateways"), []
    for n, raw in enumerate(gateways if isinstance(gateways, list) else []):
        if own := _times_of(raw):
            policies.append(overlay(defaults, own))
            mistakes += check_times(("gateways", n), own, policies[-1])
    return mistakes or _jitter(cleaned, policies)


def _jitter(cleaned: Json, policies: list[PolicyTable]) -> list[Mistake]:
    try:
        rotation = RotationSettings.model_validate(cleaned.get("rotation", {}))
    except ValidationError:
        return []
    return check_jitter(rotation.schedule_jitter, policies)


def _times_of(raw: object) -> PolicyTable | None:
    if not isinstance(raw, dict):
        return None
    try:
        return PolicyTable.model_validate({key: raw[key] for key in TIMES if key in raw})
    except ValidationError:
        return None


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
    words = overlay(defaults, table)
    return GatewaySettings(table.name, table.resource_id, to_policy(words), to_calendar(words), table.targets)


def _resolve(path: Path, folder: Path, environ: Mapping[str, str]) -> Path:
    if path.parts[:1] == ("~",) and (home := environ.get("HOME")):
        return Path(home, *path.parts[1:])
    return folder / path
