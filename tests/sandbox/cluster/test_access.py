from kubernetes.aio import client

from tests.sandbox.cluster.conftest import Api

REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SECRETS = "/api/v1/namespaces/default/secrets"


async def asked(api, verb, resource, namespace="default"):
    attributes = {"verb": verb, "resource": resource, "namespace": namespace}
    answer = await api("POST", REVIEW, {"spec": {"resourceAttributes": attributes}})
    assert answer.status == 201
    return answer.body["status"]["allowed"]


async def test_a_wrong_token_is_unauthorized(api, url):
    for header in ({}, {"BearerToken": "Bearer wrong"}):
        configuration = client.Configuration(host=url)
        configuration.api_key.update(header)
        async with client.ApiClient(configuration) as api_client:
            answer = await Api(api_client)("GET", SECRETS)
            assert (answer.status, answer.body["reason"]) == (401, "Unauthorized")
            assert (await Api(api_client)("GET", "/healthz")).body == "ok"


async def test_everything_is_allowed_until_it_is_denied(api, cluster):
    assert await asked(api, "list", "secrets")
    cluster.deny("list", "secrets", "default")

    assert not await asked(api, "list", "secrets")
    assert await asked(api, "list", "secrets", "other")
    assert await asked(api, "get", "secrets")


async def test_what_is_denied_is_forbidden_and_can_be_allowed_again(api, cluster):
    cluster.deny("list", "secrets")
    refused = await api("GET", SECRETS)
    cluster.allow("list", "secrets")

    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        'secrets is forbidden: User "sandbox" cannot list resource "secrets" '
        'in API group "" in the namespace "default"'
    )
    assert (await api("GET", SECRETS)).status == 200


async def test_a_watch_is_a_verb_of_its_own(api, cluster):
    cluster.deny("watch", "secrets")

    assert (await api("GET", SECRETS, watch="true")).status == 403
    assert (await api("GET", SECRETS)).status == 200


async def test_the_server_names_the_user_and_its_version(api):
    who = await api("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})

    assert who.body["status"]["userInfo"]["username"] == "sandbox"
    assert (await api("GET", "/version")).body["major"] == "1"
    assert {(await api("GET", path)).body for path in ("/healthz", "/readyz", "/livez")} == {"ok"}
    groups = (await api("GET", "/apis")).body["groups"]
    assert {"apps", "coordination.k8s.io"} <= {group["name"] for group in groups}
    kinds = {one["kind"] for one in (await api("GET", "/apis/apps/v1")).body["resources"]}
    assert {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision"} == kinds
