"""The server returns the responses and errors of TensorFlow Serving's public REST examples."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.serving.rest_api import RestApi
from model_tools.serving.signatures import read_servable
from model_tools.serving.versions import ServedModel, load_version

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def api(example_models: dict[str, Path]) -> RestApi:
    models = {
        name: ServedModel(
            name,
            base,
            lambda number, folder: load_version(number, read_servable(folder), "tensorflow"),
            labels={"stable": 123},
        )
        for name, base in example_models.items()
    }
    for model in models.values():
        model.poll()
    return RestApi(models)


def ask(api: RestApi, path: str, request: object = None, status: int = 200) -> Any:
    body = b"" if request is None else json.dumps(request).encode()
    answer = api.handle("GET" if request is None else "POST", f"/v1/models/{path}", body)
    assert answer.status == status, answer.body
    assert answer.content_type == "application/json"
    return json.loads(answer.body)


def rejected(api: RestApi, path: str, request: object, status: int = 400) -> str:
    document = ask(api, path, request, status)
    assert document.keys() == {"error"}
    assert isinstance(document["error"], str)
    return document["error"]


def test_predict_answers_rows_with_predictions(api: RestApi) -> None:
    rows = {"instances": [1.0, 2.0, 5.0]}
    assert ask(api, "half_plus_two:predict", rows) == {"predictions": [2.5, 3.0, 4.5]}
    assert ask(api, "half_plus_three:predict", rows) == {"predictions": [3.5, 4.0, 5.5]}


def test_predict_answers_columns_with_outputs(api: RestApi) -> None:
    columns = {"signature_name": "serving_default", "inputs": {"x": [[1.0], [2.0]]}}
    assert ask(api, "half_plus_two:predict", columns) == {"outputs": [[2.5], [3.0]]}
    assert ask(api, "half_plus_two:predict", {"inputs": 3}) == {"outputs": 3.5}


@pytest.mark.parametrize("version", ["versions/123", "versions/0123", "labels/stable"])
def test_a_version_is_named_by_number_or_label(api: RestApi, version: str) -> None:
    asked = ask(api, f"half_plus_two/{version}:predict", {"instances": [0]})
    assert asked == {"predictions": [2.0]}


def test_regress_takes_examples(api: RestApi) -> None:
    request = {
        "signature_name": "tensorflow/serving/regress",
        "examples": [{"x": 1.0}, {"x": 2.0}],
    }
    assert ask(api, "half_plus_three:regress", request) == {"results": [3.5, 4.0]}


def test_classify_takes_examples_and_features_that_they_share(api: RestApi) -> None:
    request = {
        "signature_name": "classify_x_to_y",
        "context": {"x": 4.0},
        "examples": [{"x": [1.0]}, {}],
    }
    expected = {"results": [[["", 2.5]], [["", 4.0]]]}
    assert ask(api, "half_plus_two:classify", request) == expected


def test_status_names_every_version(api: RestApi) -> None:
    status = {
        "model_version_status": [
            {
                "version": "123",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    for path in ("half_plus_two", "half_plus_two/versions/123", "half_plus_two/labels/stable"):
        assert ask(api, path) == status


def test_metadata_has_the_signatures_as_protobuf_writes_them(api: RestApi) -> None:
    document = ask(api, "half_plus_two/metadata")
    assert document["model_spec"] == {
        "name": "half_plus_two",
        "signature_name": "",
        "version": "123",
    }
    signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"] == {
        "x": {
            "name": "x:0",
            "dtype": "DT_FLOAT",
            "tensor_shape": {
                "dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}],
                "unknown_rank": False,
            },
        }
    }


SENSORS = {
    "instances": [
        {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
        {"tag": {"b64": "//4="}, "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
    ]
}


def test_several_inputs_are_named_in_every_row(api: RestApi) -> None:
    assert ask(api, "sensors:predict", SENSORS) == {
        "predictions": [
            {"name": "foo", "name_bytes": {"b64": "Zm9v"}, "total": 25.0},
            {"name": {"b64": "//4="}, "name_bytes": {"b64": "//4="}, "total": 38.0},
        ]
    }


def test_columns_of_the_same_values_give_the_same_answers(api: RestApi) -> None:
    columns = {key: [row[key] for row in SENSORS["instances"]] for key in SENSORS["instances"][0]}
    outputs = ask(api, "sensors:predict", {"inputs": columns})["outputs"]
    rows = ask(api, "sensors:predict", SENSORS)["predictions"]
    assert outputs == {key: [row[key] for row in rows] for key in rows[0]}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, "exactly one"),
        ({"inputs": [1], "instances": [1]}, "exactly one"),
        ([1], "not an object"),
        ({"instances": {}}, "is not a list"),
        ({"instances": [1e39]}, "too large for float32"),
        ({"instances": [[1.0], [1.0, 2.0]]}, "unequal"),
        ({"instances": ["one"]}, "expected type"),
        ({"instances": [None]}, "expected type"),
        ({"instances": [True]}, "expected type"),
        ({"instances": [{"x": 1.0}, 2.0]}, "mixes"),
        ({"instances": [{"x": 1.0}, {"y": 1.0}]}, "element: 1"),
        ({"inputs": {"z": 1.0}}, "expected x"),
        ({"signature_name": "nothing", "instances": [1]}, "not found in signature def"),
    ],
)
def test_the_error_of_a_wrong_predict_request_contains_the_reason(
    api: RestApi, request_: object, expected: str
) -> None:
    assert expected in rejected(api, "half_plus_two:predict", request_)


def test_no_rows_have_no_predictions(api: RestApi) -> None:
    for model in ("half_plus_two", "sensors"):
        assert ask(api, f"{model}:predict", {"instances": []}) == {"predictions": []}
    assert "exactly one" in rejected(api, "sensors:predict", {"instances": [], "inputs": []})
    assert "not found" in rejected(
        api, "sensors:predict", {"instances": [], "signature_name": "nothing"}
    )


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" + "0" * 400])
@pytest.mark.parametrize(
    "body",
    [
        '{"instances": [%s]}',
        '{"inputs": {"x": [[%s]]}}',
        '{"signature_name": "regress_x_to_y", "examples": [{"x": %s}]}',
    ],
)
def test_a_number_too_large_for_a_double_is_rejected(api: RestApi, body: str, number: str) -> None:
    method = "regress" if "regress" in body else "predict"
    answer = api.handle("POST", f"/v1/models/half_plus_two:{method}", (body % number).encode())
    assert answer.status == 400


def test_one_value_in_a_column_is_answered_with_one(api: RestApi) -> None:
    column = {"tag": {"b64": "//4="}, "signal": [[1, 2, 3, 4, 5]], "sensor": [[[1, 2], [3, 4]]]}
    outputs = ask(api, "sensors:predict", {"inputs": column})["outputs"]
    assert outputs == {"name": {"b64": "//4="}, "name_bytes": {"b64": "//4="}, "total": [25.0]}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"tag": 1}, "expected type: string"),
        ({"tag": {"b64": "?"}}, "base64"),
        ({"signal": [1, 2, 3, 4, 5.5]}, "expected type: int64"),
        ({"signal": [1, 2, 3, 4, 1 << 63]}, "expected type: int64"),
        ({"sensor": [1, 2]}, "reduction dimension"),
    ],
)
def test_a_value_of_another_type_is_an_error(
    api: RestApi, part: dict[str, object], expected: str
) -> None:
    row = {**SENSORS["instances"][0], **part}
    assert expected in rejected(api, "sensors:predict", {"instances": [row]})


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        ([{"x": [1.0, "a"]}], "or a flat list"),
        ([{"x": 1e39}], "too large for float32"),
        ([{"x": [[1.0]]}], "or a flat list"),
        ([{"x": 1}], "Data types don't match"),
        ([{}], "Feature: x"),
        ([], "no element"),
        ({"x": 1.0}, "is a list"),
    ],
)
def test_the_error_of_a_wrong_example_contains_the_reason(
    api: RestApi, examples: object, expected: str
) -> None:
    request = {"signature_name": "regress_x_to_y", "examples": examples}
    assert expected in rejected(api, "half_plus_two:regress", request)


def test_a_signature_responds_only_to_its_method(api: RestApi) -> None:
    message = rejected(api, "half_plus_two:regress", {"examples": [{"x": 1.0}]})
    assert "Was: tensorflow/serving/predict" in message


def test_what_is_not_served_is_not_found(api: RestApi) -> None:
    for path in ("other:predict", "half_plus_two/versions/9:predict"):
        assert "Servable not found" in rejected(api, path, {"instances": [1]}, 404)
    assert "Could not find any versions of model other" in ask(api, "other", status=404)["error"]
    ask(api, "half_plus_two/versions/9", status=404)
    assert "label: other" in rejected(api, "half_plus_two/labels/other:predict", {"instances": [1]})


@pytest.mark.parametrize("path", ["half_plus_two:guess", "half_plus_two/metadata", "", "a/b/c"])
def test_an_unknown_path_is_malformed(api: RestApi, path: str) -> None:
    assert rejected(api, path, {}).startswith("Malformed request: POST /v1/models/")


@given(st.binary(max_size=60))
def test_any_body_gets_a_response(api: RestApi, body: bytes) -> None:
    for method in ("predict", "classify", "regress"):
        answer = api.handle("POST", f"/v1/models/half_plus_two:{method}", body)
        assert answer.status in {200, 400}


@given(st.lists(st.floats(width=32, allow_infinity=False, allow_nan=False), min_size=1))
def test_predictions_of_float32_numbers_are_exact(api: RestApi, numbers: list[float]) -> None:
    import numpy as np  # noqa: PLC0415 - only this test needs the module

    answer = ask(api, "half_plus_two:predict", {"instances": numbers})["predictions"]
    expected = np.float32(0.5) * np.array(numbers, np.float32) + np.float32(2)
    assert np.array_equal(np.array(answer, np.float32), expected)
