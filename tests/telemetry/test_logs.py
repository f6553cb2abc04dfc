from __future__ import annotations

import json
import logging
from base64 import b64encode
from datetime import UTC, datetime
from io import StringIO

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from rotator.redaction import redact
from rotator.telemetry import configure
from rotator.telemetry.logs import LIBRARY_LEVELS
from tests.telemetry.conftest import Lines

SIGNATURE = "poXhJRQjfN6awdKRJrV16u3BQd2Uawnd/12pGq4v9OLgF2Wi7Hd0i6iWImndLZPg2b9+422CLKyVqUKrfYGN2A=="
TOKEN = f"gw1&203001020304&{SIGNATURE}"
SECRETS = [
    TOKEN,
    f"GatewayKey {TOKEN}",
    f"GatewayKey%20{TOKEN}",
    TOKEN.replace("&", "%26"),
    TOKEN.replace("&", "\\u0026"),
    TOKEN.replace("&", "&amp;"),
    TOKEN[:40],
    TOKEN[:21],
    TOKEN.replace("/", "_").replace("+", "-"),
    TOKEN.replace("/", "\\/"),
    f"GatewayKey {TOKEN}".replace("/", "\\/"),
    TOKEN.replace("/", "\\u002f"),
    b64encode(f"GatewayKey {TOKEN}".encode()).decode(),
    b64encode(TOKEN.encode()).decode(),
    b64encode(TOKEN.encode()).decode()[:61],
    f"Authorization: Bearer {SIGNATURE}",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpbnZlbnRlZCJ9.c2lnbmF0dXJl",
    b64encode(bytes(range(64))).decode(),
]
TELLTALES = [
    "poXh",
    SIGNATURE[:20],
    SIGNATURE[-20:-2],
    b64encode(TOKEN.encode()).decode()[24:44],
    "eyJpc3MiOiJp",
    "AAECAwQFBgcICQ",
]
log = logging.getLogger("rotator.test")


def clean(text: str) -> bool:
    return not any(t in text for t in TELLTALES)


def test_a_line_is_json_with_time_level_logger_and_values(lines: Lines) -> None:
    log.info("started %s", "well", extra={"gateways": ["oslo"], "at": datetime(2030, 1, 2, tzinfo=UTC)})
    structlog.get_logger("rotator.other").warning("step", gateway="oslo")
    first, second = lines.json
    assert (first["event"], first["level"], first["logger"]) == ("started well", "info", "rotator.test")
    assert (first["gateways"], first["at"]) == (["oslo"], "2030-01-02 00:00:00+00:00")
    assert datetime.fromisoformat(first["timestamp"]).tzinfo is not None
    assert (second["event"], second["gateway"], second["logger"]) == ("step", "oslo", "rotator.other")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", ["json", "pretty"])
def test_a_credential_is_in_no_line_wherever_it_was_put(lines: Lines, secret: str, form: str) -> None:
    configure("debug", form, lines.stream)  # type: ignore[arg-type]  # a parameter
    log.warning("body: %s", secret)
    log.warning("nested", extra={"body": {"a": [{"b": f"x {secret}\n"}]}, secret: 1})
    structlog.get_logger().info(secret, value=secret, raw=secret.encode())
    try:
        local = secret
        raise ValueError(f"cannot use {local}")  # noqa: TRY301 - its traceback is the point
    except ValueError:
        log.exception("failed")
        structlog.get_logger().exception("failed")
    assert lines.text.count("[redacted]") >= 7
    assert clean(lines.text), lines.text
    if form == "json":
        assert len(lines.json) == 5


def test_a_traceback_shows_frames_and_no_local_variables(lines: Lines) -> None:
    private = "local" + "-value"
    try:
        raise ValueError("bad")  # noqa: TRY301 - its traceback is the point
    except ValueError:
        log.exception("failed")
    (line,) = lines.json
    assert "ValueError: bad" in line["exception"]
    assert private not in lines.text


@pytest.mark.parametrize(
    "harmless",
    [
        "token 0123456789ab (until 2030-01-02 03:04 UTC)",
        "/subscriptions/0000000a-0000-4000-8000-000000000001/resourceGroups/apim/providers/Microsoft.ApiManagement",
        "GatewayKey authentication failed",
        '{"a": 1, "b": "c&d&e"}',
        "sha256:" + "ab" * 32,
        "2030-01-02T03:04:00Z & 203001020304 & others",
    ],
)
def test_what_people_need_to_read_stays(harmless: str) -> None:
    assert redact(harmless) == harmless


@given(st.text())
@example("\x1f000")
@example("\n")
def test_redacting_keeps_json_json(text: str) -> None:
    for secret in SECRETS:
        json.loads(redact(json.dumps({"a": text + secret + text, text: [secret]})))


@pytest.mark.parametrize(
    "filler", ["a", "b3", "GatewayKey ", "\\", "%26", "&", "a&", "eyJ", "Bearer ", "1", "&203001020304"]
)
def test_a_long_line_is_redacted_to_its_end(filler: str) -> None:
    """A rule that takes quadratic time would run into the suite's time-out here."""
    assert TOKEN not in redact(filler * 50_000 + " " + TOKEN)


def test_what_an_exec_plugin_says_is_never_logged(lines: Lines) -> None:
    logging.getLogger("kubernetes.aio.config.kube_config").error("client_secret=hunter2")
    assert lines.text == ""


@pytest.mark.parametrize("name", [name for name, least in LIBRARY_LEVELS.items() if least < logging.CRITICAL])
def test_libraries_that_log_bodies_are_held_even_at_debug(lines: Lines, name: str) -> None:
    logging.getLogger(f"{name}.some.child").info("headers")
    logging.getLogger(name).debug("body")
    logging.getLogger(name).error("trouble")
    assert [line["event"] for line in lines.json] == ["trouble"]


def test_the_level_is_kept(lines: Lines) -> None:
    configure("warning", "json", lines.stream)
    log.info("no")
    structlog.get_logger("rotator").info("no")
    log.warning("yes")
    assert [line["event"] for line in lines.json] == ["yes"]


def test_a_terminal_gets_it_pretty_and_a_pipe_as_json(lines: Lines) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure("info", "auto", terminal)
    log.info("hello", extra={"gateway": "oslo"})
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    pipe = StringIO()
    configure("info", "auto", pipe)
    log.info("hello")
    assert json.loads(pipe.getvalue())["event"] == "hello"


def test_configuring_again_replaces_and_does_not_double(lines: Lines) -> None:
    configure("info", "json", lines.stream)
    log.info("once")
    assert len(lines.json) == 1


def test_a_broken_stream_raises_nothing_and_quotes_nothing(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(StringIO):
        def write(self, text: str) -> int:
            raise OSError(text)

    configure("info", "json", Broken())
    log.info("private %s", "words")
    said = capsys.readouterr().err
    assert "could not be written: OSError" in said
    assert "words" not in said
