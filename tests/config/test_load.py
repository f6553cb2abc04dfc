from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.config import (
    AzureSettings,
    InternalSettings,
    KubernetesSettings,
    Listen,
    LogSettings,
    RotationSettings,
    TargetSettings,
    WorkloadRef,
    load,
)
from rotator.core.policy import Policy
from rotator.core.records import Revocation
from rotator.errors import ConfigError
from tests.config.conftest import Errors, Write
from tests.configuration import NO_WEBHOOK, SMALLEST, gateway, resource, target

BUILT_IN = Policy()


def test_the_smallest_file_leaves_everything_at_its_default(settings: Write) -> None:
    found = settings(SMALLEST)

    assert found.azure == AzureSettings()
    assert found.kubernetes == KubernetesSettings()
    assert found.internal == InternalSettings(listen=Listen("0.0.0.0", 9090))
    assert found.log == LogSettings()
    assert found.rotation == RotationSettings()
    assert found.gateways[0].policy == BUILT_IN
    assert found.gateways[0].targets == (TargetSettings(namespace="oslo", secret="apim-token"),)


def test_a_gateways_own_words_win_over_the_defaults(settings: Write) -> None:
    found = settings(
        NO_WEBHOOK
        + '[defaults]\nrenew_before = "12d"\nrecheck = "5m"\nmax_unavailable_targets = 3\n'
        + gateway("oslo", 'recheck = "1h30m"')
        + gateway("bergen")
    )

    oslo, bergen = (g.policy for g in found.gateways)
    common = replace(BUILT_IN, renew_before=timedelta(days=12), max_unavailable_targets=3)
    assert oslo == replace(common, recheck=timedelta(minutes=90))
    assert bergen == replace(common, recheck=timedelta(minutes=5))


def test_every_key_of_a_policy_arrives(settings: Write) -> None:
    lines = (
        'token_lifetime = "20d"\nrenew_before = "9d"\npanic_before = "1d"\nrollout_timeout = "1m"\n'
        'recheck = "2m"\nlook_every = "3m"\nmax_unavailable_targets = 4\n'
        "max_restarts_per_hour = 5\nroll_back = false\nreplace_pods = false\n"
        'revoke = "after-verify"\nrevoke_after = "6h"\n'
    )

    assert settings(NO_WEBHOOK + gateway("oslo", lines)).gateways[0].policy == Policy(
        lifetime=timedelta(days=20),
        renew_before=timedelta(days=9),
        panic_before=timedelta(days=1),
        rollout_timeout=timedelta(minutes=1),
        recheck=timedelta(minutes=2),
        look_every=timedelta(minutes=3),
        max_unavailable_targets=4,
        max_restarts_per_hour=5,
        revoke=Revocation.AFTER_VERIFY,
        revoke_after=timedelta(hours=6),
        roll_back=False,
        replace_pods=False,
    )


def test_a_target_says_key_and_workloads(settings: Write) -> None:
    more = 'key = "value"\nworkloads = ["deploy/a", "StatefulSet/b.c", "ds/d"]'

    found = settings(NO_WEBHOOK + gateway(targets=target(more=more))).gateways[0].targets[0]

    assert found.key == "value"
    assert found.workloads == (
        WorkloadRef("deployment", "a"),
        WorkloadRef("statefulset", "b.c"),
        WorkloadRef("daemonset", "d"),
    )


def test_paths_start_at_the_files_folder_or_at_home(settings: Write, tmp_path: Path) -> None:
    found = settings(
        '[azure]\nca_file = "ca/x.pem"\n[kubernetes]\nkubeconfig = "~/.kube/config"\n'
        '[webhook]\nsecret_file = "webhook/secrets"\n' + gateway()
    )

    assert found.azure.ca_file == tmp_path / "ca" / "x.pem"
    assert found.webhook.secret_file == tmp_path / "webhook" / "secrets"
    assert found.kubernetes.kubeconfig == Path("/home/somebody/.kube/config")


def test_an_absolute_path_stays(settings: Write) -> None:
    assert settings('[azure]\nca_file = "/x.pem"\n' + SMALLEST).azure.ca_file == Path("/x.pem")


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"nowhere\.toml: there is no such file\. Copy config\.example\.toml"
    ):
        load(tmp_path / "nowhere.toml", {})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


def test_a_file_that_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "x", {})


def test_broken_toml_tells_line_and_column(errors: Errors) -> None:
    (found,) = errors('[azure]\ncloud = public"\n')

    assert "at line 2, column 9" in found and 'Correct that line: key = "text"' in found


def test_the_same_gateway_twice_is_refused_whatever_the_case(errors: Errors) -> None:
    other = gateway("bergen").replace(resource("bergen"), resource("oslo").upper())

    (found,) = errors(NO_WEBHOOK + gateway("oslo") + other)

    assert found.startswith("gateways[1].resource_id: is already the ARM id of gateways[0].")
    assert found.endswith("(gateway bergen)")


def test_the_same_name_twice_is_refused(errors: Errors) -> None:
    twin = gateway("bergen").replace('"bergen"', '"oslo"', 1)

    (found,) = errors(NO_WEBHOOK + gateway("oslo") + twin)

    assert found.startswith("gateways[1].name: is already the name of gateways[0].")


def test_the_same_secret_twice_is_refused_even_with_another_key(errors: Errors) -> None:
    """A Secret keeps one record of one token."""
    both = target() + target(more='key = "other"')

    (found,) = errors(NO_WEBHOOK + gateway(targets=both))

    assert found.startswith("gateways[0].targets[1].secret: is already the Secret of gateways[0].targets[0].")


def test_the_same_secret_in_another_namespace_is_another_secret(settings: Write) -> None:
    assert len(settings(NO_WEBHOOK + gateway(targets=target("a") + target("b"))).gateways[0].targets) == 2


@pytest.mark.parametrize("text", ["", "gateways = []\n"])
def test_no_gateways_are_refused(errors: Errors, text: str) -> None:
    (found,) = errors(text + NO_WEBHOOK)

    assert found.startswith("gateways: ")
    assert "Write [[gateways]] with a name" in found


def test_a_webhook_without_authentication_has_to_be_allowed(errors: Errors, settings: Write) -> None:
    (found,) = errors(gateway())

    assert found.startswith("webhook.allow_unauthenticated: ")
    words = ("Internet", "secret_file", "[webhook.entra]", "allow_unauthenticated = true", "enabled = false")
    for word in words:
        assert word in found
    assert settings("[webhook]\nallow_unauthenticated = true\n" + gateway()).webhook.enabled


def test_webhook_and_internal_port_are_never_the_same(errors: Errors, settings: Write) -> None:
    text = (
        '[webhook]\nallow_unauthenticated = true\nlisten = "127.0.0.1:{0}"\n'
        '[internal]\nlisten = "[::1]:{0}"\n'
    )

    (found,) = errors(text.format(8080) + gateway())

    assert found.startswith("internal.listen: is also the webhook's port")
    assert settings(text.format(0) + gateway()).internal.listen == Listen("::1", 0)


def test_all_errors_come_at_once_each_with_its_path_and_in_the_order_of_the_file(
    errors: Errors,
) -> None:
    found = errors(
        '[azure]\ncloud = "moon"\nendpont = "x"\n[webhook]\nsecret = "x"\n[defaults]\nrollout_timeout = 15\n'
        'renew_before = "29d"\n[[gateways]]\nname = "oslo"\nresource_id = "oslo"\n'
        '[[gateways.targets]]\nnamespace = "apim"\nworkloads = ["deploy/x", "job/x"]\n'
        '[[gateways]]\nname = "oslo"\n'
    )

    assert [line.split(": ")[0] for line in found] == [
        "azure.cloud",
        "azure.endpont",
        "webhook.allow_unauthenticated",
        "webhook.secret",
        "defaults.rollout_timeout",
        "defaults.renew_before",
        "gateways[0].resource_id",
        "gateways[0].targets[0].secret",
        "gateways[0].targets[0].workloads[1]",
        "gateways[1].name",
        "gateways[1].resource_id",
        "gateways[1].targets",
    ]
