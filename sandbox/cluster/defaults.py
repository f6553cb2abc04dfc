"""Default values of the kinds, as in k8s.io/kubernetes `pkg/apis/*/v1/defaults.go`."""

from __future__ import annotations

from sandbox.common import Json


def fill(obj: Json) -> Json:
    """Return `obj` with default values; `obj` itself is not changed. Idempotent."""
    match obj["kind"]:
        case "Secret":
            return {"type": "Opaque"} | obj
        case "Pod":
            return obj | {"spec": _pod_spec(obj.get("spec") or {})}
        case "Service":
            return obj | {"spec": _service(obj.get("spec") or {})}
        case "Deployment":
            return obj | {"spec": _deployment(obj["spec"])}
        case "ReplicaSet":
            return obj | {"spec": {"replicas": 1} | _with_template(obj["spec"])}
        case "StatefulSet":
            return obj | {"spec": _stateful_set(obj["spec"])}
        case "DaemonSet":
            return obj | {"spec": _daemon_set(obj["spec"])}
        case _:
            return obj


def _deployment(spec: Json) -> Json:
    strategy: Json = {"type": "RollingUpdate"} | (spec.get("strategy") or {})
    if strategy["type"] == "RollingUpdate":
        rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
        strategy["rollingUpdate"] = rolling | (strategy.get("rollingUpdate") or {})
    base = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    return base | _with_template(spec) | {"strategy": strategy}


def _stateful_set(spec: Json) -> Json:
    update: Json = {"type": "RollingUpdate"} | (spec.get("updateStrategy") or {})
    if update["type"] == "RollingUpdate":
        update["rollingUpdate"] = {"partition": 0} | (update.get("rollingUpdate") or {})
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    base = {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "podManagementPolicy": "OrderedReady",
        "serviceName": "",
        "persistentVolumeClaimRetentionPolicy": retention,
    }
    return base | _with_template(spec) | {"updateStrategy": update}


def _daemon_set(spec: Json) -> Json:
    update: Json = {"type": "RollingUpdate"} | (spec.get("updateStrategy") or {})
    if update["type"] == "RollingUpdate":
        rolling = {"maxSurge": 0, "maxUnavailable": 1}
        update["rollingUpdate"] = rolling | (update.get("rollingUpdate") or {})
    return {"revisionHistoryLimit": 10} | _with_template(spec) | {"updateStrategy": update}


def _with_template(spec: Json) -> Json:
    template = spec["template"]
    return spec | {"template": template | {"spec": _pod_spec(template.get("spec") or {})}}


def _pod_spec(spec: Json) -> Json:
    base = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    filled: Json = base | spec
    if "serviceAccountName" in spec:
        filled["serviceAccount"] = spec["serviceAccountName"]
    for kind in ("containers", "initContainers"):
        if kind in spec:
            filled[kind] = [_container(container) for container in spec[kind]]
    if "volumes" in spec:
        filled["volumes"] = [_volume(volume) for volume in spec["volumes"]]
    return filled


def _volume(volume: Json) -> Json:
    modes = {
        source: {"defaultMode": 420} | volume[source]
        for source in ("secret", "configMap", "projected")
        if source in volume
    }
    return volume | modes


def _container(container: Json) -> Json:
    image = str(container.get("image", ""))
    latest = ":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest")
    base = {
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "Always" if latest else "IfNotPresent",
    }
    filled: Json = base | container
    if "ports" in container:
        filled["ports"] = [{"protocol": "TCP"} | port for port in container["ports"]]
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        if probe in container:
            filled[probe] = _probe(container[probe])
    return filled


def _probe(probe: Json) -> Json:
    times = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    filled: Json = times | probe
    if "httpGet" in probe:
        filled["httpGet"] = {"scheme": "HTTP", "path": "/"} | probe["httpGet"]
    return filled


def _service(spec: Json) -> Json:
    base = {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.10",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
    }
    ports = [{"protocol": "TCP", "targetPort": port["port"]} | port for port in spec.get("ports") or []]
    filled: Json = base | spec | {"ports": ports}
    if filled["type"] == "LoadBalancer":
        filled.setdefault("externalTrafficPolicy", "Cluster")
    return filled
