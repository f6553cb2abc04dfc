"""Chooses the format of an answer by the `Accept` header: whole objects, metadata only, or a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from starlette.requests import Request

from sandbox.cluster.resources import Resource
from sandbox.cluster.tables import partial, table
from sandbox.common import Json


def dumps(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The format in which objects of one kind are returned."""

    resource: Resource
    kind: Literal["object", "table", "partial"] = "object"
    whole_rows: bool = False

    @classmethod
    def negotiate(cls, request: Request, resource: Resource) -> ResponseFormat:
        """Return the first format of the header that is supported; whole objects by default."""
        for media in request.headers.get("accept", "").split(","):
            if "as=Table" in media and "v=v1" in media.replace("v1beta1", ""):
                return cls(resource, "table", request.query_params.get("includeObject") == "Object")
            if "as=PartialObjectMetadata" in media:
                return cls(resource, "partial")
            if "as=" not in media:
                break
        return cls(resource)

    def one(self, obj: Json, now: datetime) -> Json:
        if self.kind == "table":
            meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            return table(self.resource, [obj], meta, now, whole=self.whole_rows)
        return partial(obj) if self.kind == "partial" else obj

    def many(self, items: list[Json], meta: Json, now: datetime) -> Json:
        if self.kind == "table":
            return table(self.resource, items, meta, now, whole=self.whole_rows)
        if self.kind == "partial":
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
            return head | {"items": [partial(item) for item in items]}
        head = {
            "kind": f"{self.resource.kind}List",
            "apiVersion": self.resource.api_version,
            "metadata": meta,
        }
        return head | {"items": items}
