import pytest

from sandbox.cluster.patch import json_patch, merge
from sandbox.cluster.statuses import ApiError
from sandbox.cluster.strategic import strategic_merge


def test_a_merge_patch_deletes_nulls_merges_objects_and_replaces_lists():
    target = {"a": {"x": "1", "y": "2"}, "l": [1, 2], "gone": 1}

    assert merge(target, {"a": {"x": None, "z": "3"}, "l": [3], "gone": None, "never": None}) == {
        "a": {"y": "2", "z": "3"},
        "l": [3],
    }
    assert target == {"a": {"x": "1", "y": "2"}, "l": [1, 2], "gone": 1}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2], "b": {"c/d": "x"}}),
        ([{"op": "add", "path": "/a/-", "value": 9}], {"a": [1, 2, 9], "b": {"c/d": "x"}}),
        ([{"op": "replace", "path": "/a/0", "value": 9}], {"a": [9, 2], "b": {"c/d": "x"}}),
        ([{"op": "remove", "path": "/b/c~1d"}], {"a": [1, 2], "b": {}}),
        ([{"op": "test", "path": "/a", "value": [1, 2]}], {"a": [1, 2], "b": {"c/d": "x"}}),
        ([{"op": "copy", "from": "/a/0", "path": "/n"}], {"a": [1, 2], "b": {"c/d": "x"}, "n": 1}),
        ([{"op": "move", "from": "/a", "path": "/n"}], {"b": {"c/d": "x"}, "n": [1, 2]}),
    ],
)
def test_a_json_patch_does_each_operation(operations, expected):
    assert json_patch({"a": [1, 2], "b": {"c/d": "x"}}, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/none"},
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "add", "path": "/none/x", "value": 1},
        {"op": "replace", "path": "", "value": [1]},
        {"op": "append", "path": "/a", "value": "x"},
        {"op": "what", "path": "/a"},
        {"op": "add", "path": 3, "value": 1},
        "no operation",
        {"op": "add"},
    ],
)
def test_a_json_patch_that_does_not_apply_is_refused_as_a_whole(operation):
    with pytest.raises(ApiError) as refused:
        json_patch({"a": "1"}, [{"op": "add", "path": "/b", "value": 1}, operation])

    assert refused.value.code == 422


def test_a_strategic_patch_merges_containers_by_name_and_variables_by_name():
    target = {
        "containers": [
            {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]},
            {"name": "b", "image": "1"},
        ]
    }
    patch = {
        "containers": [
            {"name": "a", "env": [{"name": "X", "value": "2"}, {"name": "Y", "$patch": "delete"}]},
            {"name": "c", "image": "1"},
        ]
    }

    merged = strategic_merge(target, patch)["containers"]

    assert [one["name"] for one in merged] == ["a", "b", "c"]
    assert merged[0] == {"name": "a", "image": "1", "env": [{"name": "X", "value": "2"}]}


def test_ports_merge_by_container_port_or_by_port():
    merged = strategic_merge(
        {"ports": [{"containerPort": 1, "name": "x"}]}, {"ports": [{"containerPort": 1, "protocol": "UDP"}]}
    )

    assert merged == {"ports": [{"containerPort": 1, "name": "x", "protocol": "UDP"}]}
    service = strategic_merge({"ports": [{"port": 1}]}, {"ports": [{"port": 2}]})
    assert service == {"ports": [{"port": 1}, {"port": 2}]}


def test_directives_replace_delete_retain_and_order():
    assert strategic_merge({"a": {"x": 1}}, {"a": {"$patch": "replace", "y": 2}}) == {"a": {"y": 2}}
    assert strategic_merge({"a": {"x": 1}}, {"a": {"$patch": "delete"}}) == {"a": {}}
    assert strategic_merge({"a": {"x": 1, "y": 2}}, {"a": {"$retainKeys": ["y"]}}) == {"a": {"y": 2}}
    assert strategic_merge({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {
        "finalizers": ["b"]
    }
    ordered = {"$setElementOrder/env": [{"name": "B"}, {"name": "A"}], "env": [{"name": "B", "value": "2"}]}
    assert strategic_merge({"env": [{"name": "A", "value": "1"}]}, ordered) == {
        "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]
    }


def test_lists_without_a_merge_key_are_replaced():
    assert strategic_merge({"envFrom": [{"a": 1}]}, {"envFrom": [{"b": 1}]}) == {"envFrom": [{"b": 1}]}
