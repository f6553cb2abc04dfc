import pytest

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
MICRO = "2030-01-02T03:04:05.000000Z"
WHOLE = "2030-01-02T03:04:05Z"


def lease(**spec):
    return {"metadata": {"name": "l1"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15} | spec}


@pytest.mark.parametrize("field", ["renewTime", "acquireTime"])
async def test_times_need_six_fractional_digits(api, field):
    assert (await api("POST", LEASES, lease(**{field: WHOLE}))).status == 400
    created = await api("POST", LEASES, lease(**{field: MICRO}))

    put = await api("PUT", f"{LEASES}/l1", created.body | {"spec": {field: WHOLE}})
    patched = await api.merge(f"{LEASES}/l1", {"spec": {field: WHOLE}})

    assert [created.status, put.status, patched.status] == [201, 400, 422]
    assert 'as "2006-01-02T15:04:05.000000Z07:00"' in patched.body["message"]


async def test_only_one_of_two_takers_wins(api):
    held = (await api("POST", LEASES, lease())).body
    first = await api("PUT", f"{LEASES}/l1", held | {"spec": {"holderIdentity": "b"}})

    second = await api("PUT", f"{LEASES}/l1", held | {"spec": {"holderIdentity": "c"}})

    assert (first.status, second.status, second.body["reason"]) == (200, 409, "Conflict")
    assert second.body["message"].startswith(
        'Operation cannot be fulfilled on leases.coordination.k8s.io "l1": the object has been modified'
    )


async def test_a_put_creates_a_lease_but_never_replaces_one_blindly(api):
    created = await api("PUT", f"{LEASES}/l1", lease())

    blind = await api("PUT", f"{LEASES}/l1", lease(holderIdentity="b"))

    assert created.status == 201
    assert (blind.status, blind.body["reason"]) == (422, "Invalid")


async def test_a_put_of_a_deleted_lease_with_its_uid_is_a_conflict(api):
    created = (await api("POST", LEASES, lease())).body
    await api("DELETE", f"{LEASES}/l1")

    again = await api("PUT", f"{LEASES}/l1", created)

    assert (again.status, again.body["reason"]) == (409, "Conflict")


async def test_a_duration_must_be_positive(api):
    assert (await api("POST", LEASES, lease(leaseDurationSeconds=0))).status == 422
    assert (await api("POST", LEASES, lease(leaseTransitions=-1))).status == 422
