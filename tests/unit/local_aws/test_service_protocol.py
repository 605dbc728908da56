"""Requests and responses of the rest-json protocol follow the botocore model."""

import base64
import json
import string
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from local_aws.errors import ConflictError, NotFoundError, ServiceError, ValidationError
from local_aws.input_validation.constraints import violations
from local_aws.service_protocol import Request, ServiceProtocol

PROTOCOL = ServiceProtocol("greengrassv2")
ARN = "arn:aws:greengrass:eu-central-1:111111111111:components:name:versions:1.0.0"
names = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=40)


def _sent(operation: str, **params: Any) -> Request:
    """Return the request that boto3 sends for a call."""
    client = boto3.client(
        "greengrassv2",
        region_name="eu-central-1",
        aws_access_key_id="111111111111",
        aws_secret_access_key="local",
        endpoint_url="http://127.0.0.1:1",
    )
    sent: list[Any] = []

    def take(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        raw = type("Raw", (), {"stream": lambda *_, **__: iter([b"{}"])})()
        return AWSResponse(request.url, 200, HTTPHeaders(), raw)

    events: Any = client.meta.events  # the stub does not allow handlers with a response
    events.register("before-send", take)
    getattr(client, operation)(**params)
    url = urlsplit(sent[0].url)
    body = sent[0].body or b""
    return Request(
        sent[0].method,
        unquote(url.path),
        {key.lower(): str(value) for key, value in sent[0].headers.items()},
        body.encode() if isinstance(body, str) else body,
        parse_qs(url.query),
    )


@pytest.mark.parametrize("operation", PROTOCOL.operations)
def test_every_operation_of_the_model_has_one_route(operation: str) -> None:
    model = PROTOCOL.model.operation_model(operation)
    path = model.http["requestUri"].replace("+}", "}")
    for name in model.input_shape.members if model.input_shape else ():
        path = path.replace(f"{{{name}}}", f"some-{name}")
    found = PROTOCOL.route(model.http["method"], path)
    assert found is not None
    assert found[0].name == operation


def test_what_boto3_sends_is_read_as_what_the_caller_gave() -> None:
    params = {
        "targetArn": "arn:aws:iot:eu-central-1:111111111111:thinggroup/cameras",
        "components": {
            "a.b": {
                "componentVersion": "1.0.0",
                "configurationUpdate": {"merge": "{}", "reset": ["/a"]},
            }
        },
        "tags": {"stage": "dev"},
        "clientToken": "token",
    }
    call = PROTOCOL.read(_sent("create_deployment", **params))
    assert (call.operation, call.params) == ("CreateDeployment", params)
    recipe = PROTOCOL.read(_sent("create_component_version", inlineRecipe=b"\x00recipe"))
    assert recipe.params["inlineRecipe"] == b"\x00recipe"
    assert PROTOCOL.read(_sent("list_components", scope="PUBLIC", maxResults=7)).params == {
        "scope": "PUBLIC",
        "maxResults": 7,
    }
    untag = PROTOCOL.read(_sent("untag_resource", resourceArn=ARN, tagKeys=["a", "b"]))
    assert untag.params == {"resourceArn": ARN, "tagKeys": ["a", "b"]}
    artifact = PROTOCOL.read(
        _sent("get_component_version_artifact", arn=ARN, artifactName="a/b.zip")
    )
    assert artifact.params == {"arn": ARN, "artifactName": "a/b.zip"}


@given(thing=names, token=names, results=st.integers(1, 100))
def test_labels_and_query_of_any_value_arrive_unchanged(
    thing: str, token: str, results: int
) -> None:
    request = Request(
        "GET",
        f"/greengrass/v2/coreDevices/{thing}/installedComponents",
        query={"nextToken": [token], "maxResults": [str(results)]},
    )
    assert PROTOCOL.read(request).params == {
        "coreDeviceThingName": thing,
        "nextToken": token,
        "maxResults": results,
    }


@pytest.mark.parametrize(
    ("path", "query", "problem"),
    [
        ("components", {"maxResults": ["0"]}, "greater than or equal to 1"),
        ("components", {"maxResults": ["101"]}, "less than or equal to 100"),
        ("components", {"maxResults": ["ten"]}, "must be a integer"),
        ("components", {"scope": ["MINE"]}, r"enum value set: \['PRIVATE', 'PUBLIC'\]"),
        ("components/name", {}, "regular expression pattern"),
        ("coreDevices/" + "n" * 129, {}, "length less than or equal to 128"),
    ],
)
def test_input_that_breaks_the_model_is_refused_in_awss_words(
    path: str, query: dict[str, list[str]], problem: str
) -> None:
    with pytest.raises(ValidationError, match=f"1 validation error detected: .*{problem}"):
        PROTOCOL.read(Request("GET", f"/greengrass/v2/{path}", query=query))


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"inlineRecipe": "?"}'])
def test_a_body_that_cannot_be_read_is_a_validation_error(body: bytes) -> None:
    with pytest.raises(ValidationError, match="not"):
        PROTOCOL.read(Request("POST", "/greengrass/v2/createComponentVersion", body=body))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    )
)
def test_no_json_whatever_breaks_the_server(value: Any) -> None:
    body = json.dumps({"targetArn": value, "components": value, "deploymentPolicies": value})
    request = Request("POST", "/greengrass/v2/deployments", body=body.encode())
    try:
        PROTOCOL.read(request)
    except ServiceError as error:
        assert PROTOCOL.write_error(error).status == 400  # noqa: PT017 - the call may also succeed


def test_required_members_are_found_missing_at_every_depth() -> None:
    shape = PROTOCOL.model.operation_model("CreateDeployment").input_shape
    problems = violations(shape, {"components": {"a": {}}})
    assert any("targetArn" in problem and "must not be null" in problem for problem in problems)
    assert any("components.a.componentVersion" in problem for problem in problems)


def test_results_are_shaped_so_that_the_clients_parser_gives_them_back() -> None:
    result = {
        "recipeOutputFormat": "JSON",
        "recipe": b"\x00\x01",
        "tags": {"a": "b"},
        "unknown": "left out",
    }
    response = PROTOCOL.write("GetComponent", result)
    shape = PROTOCOL.model.operation_model("GetComponent").output_shape
    assert shape is not None
    raw = {"body": response.body, "headers": response.headers, "status_code": response.status}
    parsed = create_parser("rest-json").parse(raw, shape)
    parsed.pop("ResponseMetadata")
    del result["unknown"]
    assert parsed == result
    assert json.loads(response.body)["recipe"] == base64.b64encode(b"\x00\x01").decode()
    assert PROTOCOL.write("DeleteComponent", {}).status == 204


@pytest.mark.parametrize(
    ("error", "status", "members"),
    [
        (ValidationError("no"), 400, {"message": "no", "reason": "OTHER"}),
        (
            NotFoundError("COMPONENT", "a", "gone"),
            404,
            {"message": "gone", "resourceId": "a", "resourceType": "COMPONENT"},
        ),
        (
            ConflictError("COMPONENT", "a", "twice"),
            409,
            {"message": "twice", "resourceId": "a", "resourceType": "COMPONENT"},
        ),
        (ServiceError("UnknownOperationException", "what?"), 404, {"message": "what?"}),
    ],
)
def test_errors_have_their_shapes_status_and_members(
    error: ServiceError, status: int, members: dict[str, str]
) -> None:
    response = PROTOCOL.write_error(error)
    assert response.status == status
    assert response.headers["x-amzn-ErrorType"] == error.code
    assert json.loads(response.body) == members
