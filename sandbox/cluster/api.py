"""Serves the Kubernetes API over HTTP: reads the path, authorizes, and calls the registry."""

from __future__ import annotations

import base64
import json

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.cluster import discovery, selectors
from sandbox.cluster.access import Access
from sandbox.cluster.api_paths import ApiPath, find_path, split
from sandbox.cluster.content_negotiation import ResponseFormat, dumps
from sandbox.cluster.eviction import evict
from sandbox.cluster.objects import name_of, namespace_of
from sandbox.cluster.ownership import Writer
from sandbox.cluster.patch import PATCHES
from sandbox.cluster.registry import Registry
from sandbox.cluster.statuses import (
    ApiError,
    bad_method,
    bad_request,
    forbidden,
    success,
    unauthorized,
    unknown_media,
    unknown_patch,
)
from sandbox.cluster.watch import WatchOptions, WatchResponse
from sandbox.common import Json

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_BODIES = ("application/json", "application/yaml")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Api:
    """Serves a registry. Every request must carry the bearer token `token`; None: none is needed."""

    def __init__(self, registry: Registry, access: Access, token: str | None) -> None:
        self._registry, self._store, self._access = registry, registry.store, access
        self.set_token(token)
        self.app = Starlette(routes=[Route("/{path:path}", self._handle, methods=METHODS)])

    def set_token(self, token: str | None) -> None:
        """Accept only this bearer token from now on."""
        self._authorization = f"Bearer {token}" if token is not None else None

    async def _handle(self, request: Request) -> Response | ASGIApp:
        try:
            return await self._answer(request)
        except ApiError as error:
            answer, wait = _json(error.body, error.code), (error.details or {}).get("retryAfterSeconds")
            if wait:
                answer.headers["Retry-After"] = str(wait)
            return answer

    async def _answer(self, request: Request) -> Response | ASGIApp:
        parts = [part for part in request.url.path.split("/") if part]
        if parts and parts[0] in discovery.HEALTH:
            return PlainTextResponse("ok")
        if self._authorization not in {None, request.headers.get("authorization")}:
            raise unauthorized()
        document = discovery.answer(parts) if request.method == "GET" else None
        if document is not None:
            return _json(document)
        group, version, rest = split(parts)
        path = find_path(group, version, rest)
        if path is None:
            plural = rest[0] if len(rest) == 1 else ""
            body = await _body(request) if request.method == "POST" else {}
            review = self._access.review(group, plural, request.method, body)
            return _json(review, 201)
        self._authorize(request, path)
        return await self._dispatch(request, path)

    def _authorize(self, request: Request, path: ApiPath) -> None:
        verb = _VERBS.get(request.method) or _read_verb(request, path)
        if not self._access.allows(verb, path.full, path.namespace):
            raise forbidden(path.resource, verb, path.namespace, path.name)

    async def _dispatch(self, request: Request, path: ApiPath) -> Response | ASGIApp:
        method, subresource = request.method, path.subresource
        if method == "GET" and _read_verb(request, path) == "watch":
            options = WatchOptions.read(request, path.namespace, path.name or None)
            return WatchResponse(
                self._store, path.resource, options, ResponseFormat.negotiate(request, path.resource)
            )
        match method, bool(path.name):
            case "GET", False:
                return self._list(request, path)
            case "GET", True if subresource == "log":
                self._registry.get(path.resource, path.namespace, path.name)
                return PlainTextResponse("the sandbox keeps no logs\n")
            case "GET", True:
                obj = self._registry.get(path.resource, path.namespace, path.name)
                return self._object(request, path, obj)
            case "POST", False:
                body, dry = await _body(request), _is_dry(request)
                by = _writer(request, path)
                created = self._registry.create(path.resource, path.namespace, body, dry_run=dry, by=by)
                return self._object(request, path, created, 201)
            case "POST", True if subresource == "eviction":
                body, dry = await _body(request), _is_dry(request)
                done = evict(self._registry, path.namespace, path.name, body, dry_run=dry)
                return _json(done, 201)
            case (("PUT" | "PATCH"), True) if subresource in {"", "status"}:
                return await self._update(request, path)
            case "DELETE", _ if not subresource:
                return await self._delete(request, path)
        raise bad_method()

    async def _update(self, request: Request, path: ApiPath) -> Response:
        body, dry, status = await _body(request), _is_dry(request), path.subresource == "status"
        existed = self._store.get((path.resource.plural, path.namespace, path.name)) is not None
        at, by = (path.resource, path.namespace, path.name), _writer(request, path)
        if request.method == "PUT":
            obj = self._registry.replace(*at, body, status=status, dry_run=dry, by=by)
        else:
            obj = self._registry.patch(*at, body, _media(request), status=status, dry_run=dry, by=by)
        return self._object(request, path, obj, 200 if existed else 201)

    async def _delete(self, request: Request, path: ApiPath) -> Response:
        options = await _body(request, optional=True) | {
            name: request.query_params[name]
            for name in ("propagationPolicy",)
            if name in request.query_params
        }
        if "gracePeriodSeconds" in request.query_params:
            options["gracePeriodSeconds"] = int(request.query_params["gracePeriodSeconds"])
        dry = _is_dry(request) or options.get("dryRun") == ["All"]
        if path.name:
            at = (path.resource, path.namespace, path.name)
            obj, gone = self._registry.delete(*at, options, dry_run=dry)
            if gone:
                return _json(success(path.resource, path.name, obj["metadata"]["uid"]))
            return self._object(request, path, obj)
        items = self._selected(request, path)
        for item in items:
            self._registry.delete(path.resource, namespace_of(item), name_of(item), options, dry_run=dry)
        return _json(ResponseFormat(path.resource).many(items, self._list_meta(), self._store.clock()))

    def _selected(self, request: Request, path: ApiPath) -> list[Json]:
        query = request.query_params
        test = selectors.parse(query.get("labelSelector"), query.get("fieldSelector"))
        return [obj for obj in self._store.all(path.resource.plural, path.namespace) if test(obj)]

    def _list(self, request: Request, path: ApiPath) -> Response:
        items, meta = self._selected(request, path), self._list_meta()
        if limit := int(request.query_params.get("limit", "0")):
            after = _from_continue(request.query_params.get("continue", ""))
            items = [item for item in items if [namespace_of(item), name_of(item)] > after]
            if len(items) > limit:
                last, rest = items[limit - 1], len(items) - limit
                meta |= {"continue": _to_continue(last), "remainingItemCount": rest}
                items = items[:limit]
        response_format = ResponseFormat.negotiate(request, path.resource)
        return _json(response_format.many(items, meta, self._store.clock()))

    def _list_meta(self) -> Json:
        return {"resourceVersion": str(self._store.version)}

    def _object(self, request: Request, path: ApiPath, obj: Json, code: int = 200) -> Response:
        return _json(ResponseFormat.negotiate(request, path.resource).one(obj, self._store.clock()), code)


def _json(value: Json, code: int = 200) -> Response:
    return Response(dumps(value), code, media_type="application/json")


def _writer(request: Request, path: ApiPath) -> Writer:
    named, agent = request.query_params.get("fieldManager"), request.headers.get("user-agent", "")
    return Writer.named(named, agent, path.subresource)


def _read_verb(request: Request, path: ApiPath) -> str:
    if request.query_params.get("watch") in {"true", "1"}:
        return "watch"
    return "get" if path.name else "list"


def _media(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip()


def _is_dry(request: Request) -> bool:
    value = request.query_params.get("dryRun")
    if value not in {None, "All"}:
        raise bad_request(f'Invalid value: "{value}": dryRun: Unsupported value, supported values: "All"')
    return value == "All"


async def _body(request: Request, *, optional: bool = False) -> Json:
    raw, media = await request.body(), _media(request)
    if not raw and optional:
        return {}
    if media not in {"", *_BODIES} and not (request.method == "PATCH" and media in PATCHES):
        known = _BODIES if media == _PROTOBUF else (*_BODIES, _PROTOBUF)  # a real API server names all three
        raise unknown_patch() if request.method == "PATCH" else unknown_media(known)
    try:
        body: Json = yaml.safe_load(raw) if media.endswith("yaml") else json.loads(raw)
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"the object provided is unrecognized (must be of type JSON): {error}") from error
    if not isinstance(body, list if media == "application/json-patch+json" else dict):
        raise bad_request("the object provided is unrecognized: neither an object nor a list of operations")
    return body


def _to_continue(item: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps([namespace_of(item), name_of(item)]).encode()).decode()


def _from_continue(token: str) -> list[str]:
    try:
        after: list[str] = json.loads(base64.urlsafe_b64decode(token)) if token else []
    except ValueError as error:
        raise bad_request("continue key is not valid") from error
    return after
