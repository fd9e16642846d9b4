"""AWS's own models of its operations, answers that are held to them, and values that they forbid."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import OperationModel, Shape

import aws
from service import AccessKey, Transire

# A longer text than this would be refused for the length of the body.
LONGEST = 60_000
OF_ANOTHER_TYPE = {"string": 5, "integer": "x", "long": "x", "boolean": "x", "list": "x", "structure": "x", "timestamp": {}}


def model(service: str, operation: str) -> OperationModel:
    return botocore.session.get_session().get_service_model(service).operation_model(operation)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Any

    def code(self, service: str) -> str:
        """The code of an error, or nothing."""
        if self.status == 200:
            return ""
        if service == "ecr":
            return json.loads(self.body)["__type"]
        code = ElementTree.fromstring(self.body).find("{*}Error/{*}Code")
        assert code is not None and code.text
        return code.text


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The members of an input as the query protocol names them."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from flat(member, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for place, member in enumerate(value, 1):
            yield from flat(member, f"{prefix}.member.{place}")
    else:
        yield prefix, str(value).lower() if isinstance(value, bool) else str(value)


def send(transire: Transire, key: AccessKey | None, operation: OperationModel, parameters: dict[str, Any]) -> Answer:
    """A call as botocore signs it, without botocore's own look at the parameters."""
    service = operation.service_model
    if service.metadata["protocol"] == "json":
        data = json.dumps(parameters).encode()
        headers = {
            "Content-Type": f"application/x-amz-json-{service.metadata['jsonVersion']}",
            "X-Amz-Target": f"{service.metadata['targetPrefix']}.{operation.name}",
        }
    else:
        named = {"Action": operation.name, "Version": service.metadata["apiVersion"]}
        data = urllib.parse.urlencode([*named.items(), *flat(parameters)]).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = AWSRequest("POST", f"{transire.scheme}://{transire.endpoint}/", headers, data)
    if key:
        SigV4Auth(Credentials(key.id, key.secret, key.token), service.signing_name, aws.REGION).add_auth(request)
    sent = urllib.request.Request(request.url, data, dict(request.headers), method="POST")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sent, timeout=60) as answer:
            return Answer(answer.status, answer.read(), answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(), error.headers)


# -- answers


def output(operation: OperationModel, answer: Answer) -> Any:
    """The output as the wire has it: JSON as it is, and of XML the texts."""
    if operation.service_model.metadata["protocol"] == "json":
        assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
        return json.loads(answer.body)
    assert answer.headers["Content-Type"] == "text/xml"
    root = ElementTree.fromstring(answer.body)
    assert root.tag == f"{{https://sts.amazonaws.com/doc/2011-06-15/}}{operation.name}Response"
    assert root.findtext("{*}ResponseMetadata/{*}RequestId")
    assert operation.output_shape is not None
    result = root.find(f"{{*}}{operation.output_shape.serialization['resultWrapper']}")
    assert result is not None
    return _of_xml(operation.output_shape, result)


def _of_xml(shape: Shape, element: ElementTree.Element) -> Any:
    if shape.type_name == "structure":
        named = [(child.tag.partition("}")[2], child) for child in element]
        assert len({name for name, _ in named}) == len(named), "a member comes once"
        # A member that the model lacks is kept, to be found.
        return {name: _of_xml(shape.members[name], child) if name in shape.members else child.text for name, child in named}
    if shape.type_name == "list":
        return [_of_xml(shape.member, child) for child in element]
    text = element.text or ""
    return int(text) if shape.type_name in ("integer", "long") else text


def _is_of(value: Any, shape: Shape, is_query: bool) -> bool:
    """Whether a value is of the shape's type, as the protocol writes it."""
    if shape.type_name == "timestamp" and is_query:
        return isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value))
    kinds = {"string": str, "integer": int, "long": int, "boolean": bool, "timestamp": (int, float), "list": list, "structure": dict, "map": dict}
    return isinstance(value, kinds[shape.type_name]) and (shape.type_name == "boolean" or not isinstance(value, bool))


def faults(value: Any, shape: Shape, is_query: bool, path: str = "") -> Iterator[str]:
    """What of an answer is not as the model has it."""
    if not _is_of(value, shape, is_query):
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    if shape.type_name == "structure":
        for name in value.keys() - shape.members.keys():
            yield f"{path}.{name}: the model has no such member"
        for name in set(shape.required_members) - value.keys():
            yield f"{path}.{name}: the model requires it"
        for name in value.keys() & shape.members.keys():
            yield from faults(value[name], shape.members[name], is_query, f"{path}.{name}")
    elif shape.type_name == "list":
        if not _has_length(len(value), shape):
            yield f"{path}: it has too few or too many members"
        for member in value:
            yield from faults(member, shape.member, is_query, f"{path}[]")
    elif shape.type_name == "string":
        yield from (f"{path}: {value!r}: {why}" for why in _forbidden(value, shape))


def _forbidden(text: str, shape: Shape) -> Iterator[str]:
    metadata = shape.metadata
    if metadata.get("enum") and text not in metadata["enum"]:
        yield "it is none of the enumerated"
    if not _has_length(len(text), shape):
        yield "it is too short or too long"
    if (pattern := _pattern(shape)) and not pattern.fullmatch(text):
        yield f"it is not as {pattern.pattern}"


def _has_length(length: int, shape: Shape) -> bool:
    return shape.metadata.get("min", 0) <= length <= shape.metadata.get("max", length)


def _pattern(shape: Shape) -> re.Pattern[str] | None:
    """The pattern, where Python knows its classes of letters as well."""
    try:
        return re.compile(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
    except re.error:
        return None


def paths(value: Any, path: str = "") -> set[str]:
    """The paths of all members."""
    if isinstance(value, dict):
        below = [paths(member, f"{path}.{name}" if path else name) for name, member in value.items()]
    elif isinstance(value, list):
        below = [paths(member, f"{path}[]") for member in value]
    else:
        below = []
    return {path}.union(*below) - {""}


# -- values that the model forbids


@dataclass(frozen=True)
class Bad:
    """An input with one bad value."""

    path: str
    why: str
    parameters: dict[str, Any]


def _bad_values(shape: Shape, is_query: bool) -> Iterator[tuple[str, str, Any]]:
    """Bad values of a shape: the path below it, what is bad, and the value."""
    if not is_query:
        yield "", "type", OF_ANOTHER_TYPE[shape.type_name]
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name == "string":
        # An empty parameter of a query is as one that isn't there.
        if least and (least > 1 or not is_query):
            yield "", "short", "a" * (least - 1)
        if most and most < LONGEST:
            yield "", "long", "a" * (most + 1)
        if "pattern" in shape.metadata:
            yield "", "pattern", "\u0001!" * max(least or 1, 4)
        if "enum" in shape.metadata:
            yield "", "enum", "NONSENSE"
    elif shape.type_name in ("integer", "long"):
        if is_query:
            yield "", "type", "x"
        if least is not None:
            yield "", "small", least - 1
        if most is not None:
            yield "", "large", most + 1
    elif shape.type_name == "list":
        if least and not is_query:
            yield "", "few", []
        if most:
            yield "", "many", [_usual(shape.member)] * (most + 1)
        for path, why, value in _bad_values(shape.member, is_query):
            yield f"[]{path}", why, [value]
    elif shape.type_name == "structure":
        whole = {name: _usual(shape.members[name]) for name in shape.required_members}
        for name, member in shape.members.items():
            for path, why, value in _bad_values(member, is_query):
                yield f".{name}{path}", why, {**whole, name: value}
        for name in shape.required_members:
            yield f".{name}", "missing", {other: value for other, value in whole.items() if other != name}


def _usual(shape: Shape) -> Any:
    """A value that is as the model has it, as far as lengths say."""
    if shape.type_name == "structure":
        return {name: _usual(member) for name, member in shape.members.items() if name in (shape.required_members or shape.members)}
    if shape.type_name == "list":
        return [_usual(shape.member)]
    if shape.type_name in ("integer", "long"):
        return shape.metadata.get("min", 1)
    return shape.metadata["enum"][0] if "enum" in shape.metadata else "1" * max(shape.metadata.get("min", 1), 12)


def bad_inputs(operation: OperationModel, good: dict[str, Any]) -> Iterator[Bad]:
    """Every input with one bad value, and every one that lacks a required member."""
    shape = operation.input_shape
    if shape is None:
        return
    is_query = operation.service_model.metadata["protocol"] == "query"
    for name, member in shape.members.items():
        for path, why, value in _bad_values(member, is_query):
            yield Bad(f"{name}{path}", why, {**good, name: value})
    for name in shape.required_members:
        yield Bad(name, "missing", {other: value for other, value in good.items() if other != name})
