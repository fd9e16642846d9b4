"""An API server of Kubernetes, as far as a pull secret needs one: no package of Debian's or Python's brings a real one.

It is strict where the real one is: paths, verbs, content types, unknown fields, the rights of the caller's account, and the
version that a change replaces.
"""

import base64
import json
import re
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jsonschema import Draft202012Validator

from authority import Authority

Object = dict[str, Any]


def _object(required: str = "", **properties: Any) -> Object:
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


_TEXT = {"type": "string"}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_METADATA = _object(
    **dict.fromkeys(("name", "namespace", "generateName", "resourceVersion", "uid"), _TEXT),
    creationTimestamp=_TIME,
    labels=_TEXTS,
    annotations=_TEXTS,
)
_REFERENCE = _object(**dict.fromkeys(("apiVersion", "kind", "namespace", "name", "uid"), _TEXT))
_NAMES = {"type": "array", "items": _object("name", name=_TEXT)}


def _kind(kind: str, version: str = "v1", required: str = "", **properties: Any) -> Object:
    head = {"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": _METADATA}
    return _object(f"apiVersion kind {required}", **head, **properties)


# The fields of these kinds in Kubernetes 1.37; those that no request of ours may have are left out.
SCHEMAS = {
    "secrets": _kind("Secret", required="metadata type data", type=_TEXT, data=_TEXTS),
    "events": _kind(
        "Event",
        required="metadata involvedObject type reason message",
        involvedObject=_REFERENCE,
        type={"enum": ["Normal", "Warning"]},
        reason={"type": "string", "maxLength": 128},
        message={"type": "string", "maxLength": 1024},
        source=_object(component=_TEXT, host=_TEXT),
        reportingComponent=_TEXT,
        firstTimestamp=_TIME,
        lastTimestamp=_TIME,
        count={"type": "integer"},
    ),
    "serviceaccounts": _kind("ServiceAccount", required="metadata", imagePullSecrets=_NAMES),
    "serviceaccounts/token": _kind(
        "TokenRequest",
        "authentication.k8s.io/v1",
        "spec",
        spec=_object(
            "audiences",
            audiences={"type": "array", "items": _TEXT, "minItems": 1},
            expirationSeconds={"type": "integer", "minimum": 600, "maximum": 1 << 32},
        ),
    ),
}
_PATH = re.compile(r"/api/v1/namespaces/([a-z0-9-]+)/(secrets|events|serviceaccounts)(?:/([a-z0-9.-]+)(?:/(token))?)?")
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}
_CONTENT_TYPES = {"POST": "application/json", "PUT": "application/json", "PATCH": "application/strategic-merge-patch+json"}


class Refusal(Exception):
    """A `Status` in place of an object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        head = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure"}
        self.status = head | {"message": message, "reason": reason, "code": code}


@dataclass
class Account:
    """The account that calls, with the rules of its Roles."""

    token: str = field(default_factory=lambda: "kubeEXAMPLE" + secrets.token_hex(16))
    rules: list[Object] = field(default_factory=list)

    def may(self, verb: str, resource: str, name: str | None) -> bool:
        """As RBAC decides: an object that is yet to be made has no name that a rule could name."""
        return any(
            verb in rule["verbs"]
            and resource in rule["resources"]
            and "" in rule["apiGroups"]
            and ("resourceNames" not in rule or name in rule["resourceNames"])
            for rule in self.rules
        )


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client may end in the middle of a request."""


class ApiServer:
    """One namespace and its objects, over HTTPS."""

    def __init__(self, authority: Authority, namespace: str, issue: Callable[[str, str, timedelta], str]) -> None:
        self.namespace = namespace
        self.account = Account()
        self.objects: dict[tuple[str, str], Object] = {}
        # Requests that were served: the verb, and the resource with the object's name.
        self.requests: list[str] = []
        # All others, but for looks at what isn't there.
        self.refusals: list[str] = []
        # How long a token of a service account lives.
        self.token_life = timedelta(hours=1)
        self._issue, self._version = issue, 0
        self._before: list[Callable[[str], None]] = []
        self._lock = threading.Lock()
        authority.issue("127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.certificate_file, authority.key_file)
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- for tests

    def put(self, resource: str, **object_: Any) -> Object:
        """Puts an object there, as another client would."""
        return self._store(resource, object_)

    def events(self) -> list[Object]:
        return [object_ for (resource, _), object_ in sorted(self.objects.items()) if resource == "events"]

    @contextmanager
    def before(self, act: Callable[[str], None]) -> Iterator[None]:
        """Runs `act` with each request's words before it is served; what it raises is the answer."""
        self._before.append(act)
        yield
        self._before.remove(act)

    # -- requests

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                code, answer = server._serve(self.command, self.path, self.headers, self.rfile.read(length))
                body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _serve(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Object]:
        with self._lock:
            try:
                return self._checked(method, path, headers, body)
            except Refusal as refusal:
                if (method, refusal.code) != ("GET", 404):
                    self.refusals.append(f"{method} {path}: {refusal}")
                return refusal.code, refusal.status

    def _checked(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Object]:
        if headers["Authorization"] != f"Bearer {self.account.token}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        parts = _PATH.fullmatch(path)
        verb = _VERBS.get(method)
        if not parts or not verb:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        namespace, resource, name, subresource = parts.groups()
        whole = f"{resource}/{subresource}" if subresource else resource
        if namespace != self.namespace or not self.account.may(verb, whole, name):
            raise Refusal(403, "Forbidden", f'User cannot {verb} resource "{whole}" in API group "" in the namespace "{namespace}"')
        words = f"{verb} {whole} {name}" if name else f"{verb} {whole}"
        for act in self._before:
            act(words)
        sent = self._body(method, whole, headers, body)
        answer = self._act(verb, resource, name, subresource, sent)
        self.requests.append(words)
        return answer

    def _body(self, method: str, whole: str, headers: Mapping[str, str], body: bytes) -> Object:
        if method == "GET":
            if body:
                raise Refusal(400, "BadRequest", "a GET has no body")
            return {}
        if headers["Content-Type"] != _CONTENT_TYPES[method]:
            raise Refusal(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {headers['Content-Type']}")
        sent: Object = json.loads(body)
        schema = SCHEMAS[whole] if method != "PATCH" else _object(imagePullSecrets=_NAMES)
        faults = [fault.message for fault in Draft202012Validator(schema).iter_errors(sent)]
        metadata = sent.get("metadata", {})
        faults += [f"{key!r} is no key" for part in ("labels", "annotations") for key in metadata.get(part, {}) if not _KEY.fullmatch(key)]
        if metadata.get("namespace", self.namespace) != self.namespace:
            faults.append("the namespace of the object does not match that of the request")
        if faults:
            raise Refusal(422, "Invalid", "; ".join(faults))
        return sent

    def _act(self, verb: str, resource: str, name: str | None, subresource: str | None, sent: Object) -> tuple[int, Object]:
        if verb == "create" and not name:
            return 201, self._create(resource, sent)
        if not name or (resource, name) not in self.objects:
            raise Refusal(404, "NotFound", f'{resource} "{name}" not found')
        found = self.objects[resource, name]
        if subresource:
            return 201, self._token(name, sent)
        if verb == "get":
            return 200, found
        if verb == "update" and resource == "secrets":
            return 200, self._replace(name, found, sent)
        if verb == "patch" and resource == "serviceaccounts":
            # A strategic merge: elements of a list are known by their name.
            names = {element["name"]: element for element in (*found.get("imagePullSecrets", []), *sent["imagePullSecrets"])}
            return 200, self._store(resource, found | {"imagePullSecrets": list(names.values())})
        raise Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _create(self, resource: str, sent: Object) -> Object:
        if "resourceVersion" in sent["metadata"]:
            raise Refusal(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        if resource == "secrets":
            self._check_secret(sent)
        elif sent["involvedObject"]["namespace"] != self.namespace:
            raise Refusal(422, "Invalid", "involvedObject.namespace: does not match event.namespace")
        name = sent["metadata"].get("name") or sent["metadata"]["generateName"] + f"{self._version:05}"
        if (resource, name) in self.objects:
            raise Refusal(409, "AlreadyExists", f'{resource} "{name}" already exists')
        return self._store(resource, sent | {"metadata": sent["metadata"] | {"name": name}})

    def _replace(self, name: str, found: Object, sent: Object) -> Object:
        metadata = sent["metadata"]
        if metadata.get("name") != name:
            raise Refusal(400, "BadRequest", "the name of the object does not match the name on the URL")
        if "resourceVersion" not in metadata:
            # The real one would overwrite whatever is there.
            raise Refusal(422, "Invalid", "metadata.resourceVersion: must be specified for an update")
        if metadata["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict", f'Operation cannot be fulfilled on secrets "{name}": the object has been modified')
        if metadata.get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            raise Refusal(409, "Conflict", "Precondition failed: UID")
        if sent["type"] != found["type"]:
            raise Refusal(422, "Invalid", "type: field is immutable")
        self._check_secret(sent)
        return self._store("secrets", sent)

    @staticmethod
    def _check_secret(sent: Object) -> None:
        for text in sent["data"].values():
            base64.b64decode(text, validate=True)
        if sent["type"] == "kubernetes.io/dockerconfigjson":
            if ".dockerconfigjson" not in sent["data"]:
                raise Refusal(422, "Invalid", "data[.dockerconfigjson]: Required value")
            json.loads(base64.b64decode(sent["data"][".dockerconfigjson"]))

    def _token(self, name: str, sent: Object) -> Object:
        token = self._issue(name, sent["spec"]["audiences"][0], self.token_life)
        end = (datetime.now(UTC) + self.token_life).strftime("%Y-%m-%dT%H:%M:%SZ")
        return sent | {"metadata": {"name": name}, "status": {"token": token, "expirationTimestamp": end}}

    def _store(self, resource: str, object_: Object) -> Object:
        self._version += 1
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        usual = {"namespace": self.namespace, "uid": secrets.token_hex(16), "creationTimestamp": now}
        metadata = usual | object_["metadata"] | {"resourceVersion": str(self._version)}
        stored = object_ | {"metadata": metadata}
        self.objects[resource, metadata["name"]] = stored
        return stored
