"""The merge patches that write a target. The version that was observed guards each."""

from __future__ import annotations

from datetime import datetime

from rotator.core.limits import count_restart
from rotator.core.observation import Request, Target, Workload
from rotator.core.records import Record
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import Annotations, encode_record, encode_request, write_time
from rotator.kube.targets.pods import TOKEN_ANNOTATION
from rotator.kube.targets.secret import LAST_APPLIED, SecretState, encode_location, write_value
from rotator.kube.targets.workloads import RESTARTED_AT, RESTARTS, write_restarts
from rotator.ports import IssuedToken


def token_patch(target: Target, secret: SecretState, token: IssuedToken | None, record: Record) -> Json:
    """Return the patch that replaces the value (None: leaves it) and all annotations of the record."""
    annotations = encode_record(record) | encode_location(secret.key, prefixed=target.prefixed)
    if secret.token_in_last_applied:
        annotations[LAST_APPLIED] = None
    patch = _secret_patch(target, annotations)
    if token:
        patch["data"] = {secret.key: write_value(token.value, prefixed=target.prefixed)}
    return patch


def request_patch(target: Target, request: Request) -> Json:
    """Return the patch that notes a request."""
    return _secret_patch(target, encode_request(request))


def restart_patch(workload: Workload, template_token: str | None, now: datetime) -> Json:
    """Return the patch that sets the pod template's token (None: removes it) and counts the restart."""
    notes = {RESTARTED_AT: write_time(now), RESTARTS: write_restarts(*count_restart(workload, now))}
    return {
        "metadata": {
            "resourceVersion": workload.version,
            "annotations": notes,
        },
        "spec": {"template": {"metadata": {"annotations": {TOKEN_ANNOTATION: template_token}}}},
    }


def _secret_patch(target: Target, annotations: Annotations) -> Json:
    return {
        "metadata": {
            "resourceVersion": target.version,
            "annotations": annotations,
        }
    }
