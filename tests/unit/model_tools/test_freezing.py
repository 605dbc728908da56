"""Each format can be frozen to a plain graph with the outputs of its source."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_tools.cli.freeze import CONSUMERS
from model_tools.errors import AmbiguousError, FreezeError, SourceError
from model_tools.formats.detect import find_model
from model_tools.formats.signatures import Choice
from model_tools.formats.tensors import LoadedModel
from model_tools.freezing.freeze import FreezeOptions, FrozenModel, freeze, optimised
from model_tools.freezing.parity import graph_runner
from model_tools.freezing.target_runtime import TargetRuntime, rewrite_for
from model_tools.graph.messages import message_class
from tests.unit.model_tools.conftest import FORMATS

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]


def load(
    models: dict[str, Path], name: str, folder: Path, choice: Choice | None = None
) -> LoadedModel:
    checkpoint = models["checkpoint"] if name == "pbtxt" else None
    return find_model(models[name], folder, checkpoint).load(choice or Choice())


def graph_of(frozen: FrozenModel) -> Any:
    return message_class("GraphDef").FromString(frozen.graph)


@pytest.mark.parametrize("name", FORMATS)
def test_a_frozen_graph_is_small_and_has_the_outputs_of_its_source(
    trained_models: dict[str, Path], name: str, tmp_path: Path
) -> None:
    frozen = freeze(load(trained_models, name, tmp_path))
    ops = Counter(node.op for node in graph_of(frozen).node)
    ops.pop("Identity", None)
    # The graph has no normalization nodes, because the convolutions contain the normalization.
    assert ops == {
        "Placeholder": 1, "Const": 6, "Conv2D": 2, "AddV2": 2, "Relu": 2, "Mean": 1, "MatMul": 1,
        "Softmax": 1,
    }  # fmt: skip
    assert frozen.parity.largest_relative < 1e-5
    assert [spec.name for spec in frozen.inputs.values()] == ["image:0"]


@pytest.mark.parametrize("name", FORMATS)
def test_old_tensorflow_gets_only_operations_that_it_has(
    trained_models: dict[str, Path], name: str, tmp_path: Path
) -> None:
    frozen = freeze(
        load(trained_models, name, tmp_path), FreezeOptions(target=TargetRuntime.TENSORFLOW_1_4)
    )
    graph = graph_of(frozen)
    assert {node.op for node in graph.node} <= {
        "Placeholder", "Const", "Conv2D", "Add", "Relu", "Mean", "MatMul", "Softmax", "Identity",
    }  # fmt: skip
    attributes = {(node.op, key) for node in graph.node for key in node.attr}
    assert not {("Conv2D", "explicit_paddings"), ("Conv2D", "dilations"), ("MatMul", "grad_a")} & (
        attributes
    )
    assert graph.versions.producer == 24


def test_an_output_of_tensorflow_2_has_the_name_of_its_signature(
    trained_models: dict[str, Path], tmp_path: Path
) -> None:
    frozen = freeze(load(trained_models, "keras", tmp_path))
    assert {alias: spec.name for alias, spec in frozen.outputs.items()} == {"pose": "pose:0"}


def test_the_same_model_gives_the_same_bytes_in_another_process(
    trained_models: dict[str, Path],
) -> None:
    script = (
        "import sys, hashlib, pathlib, tempfile\n"
        "from model_tools.formats.detect import find_model\n"
        "from model_tools.formats.signatures import Choice\n"
        "from model_tools.freezing.freeze import freeze\n"
        "for source in sys.argv[1:]:\n"
        "    files = find_model(pathlib.Path(source), pathlib.Path(tempfile.mkdtemp()))\n"
        "    print(hashlib.sha256(freeze(files.load(Choice())).graph).hexdigest())\n"
    )
    sources = [
        trained_models[name] for name in ("saved_model_1", "saved_model_1_phase_v2", "keras")
    ]
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, *order],
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for order in (sources, sources[::-1])
    ]  # fmt: skip
    assert runs[0] == runs[1][::-1]
    assert len(set(runs[0])) == 3


def test_the_command_line_lists_every_target_runtime() -> None:
    assert [target.value for target in TargetRuntime] == list(CONSUMERS)


@pytest.mark.parametrize("target", [TargetRuntime.TENSORFLOW_1_4, TargetRuntime.TENSORFLOW_1_5])
def test_an_operation_that_an_old_reader_lacks_is_rejected_by_name(target: TargetRuntime) -> None:
    graph = message_class("GraphDef")()
    graph.node.add(name="weird", op="StatelessWhile")
    with pytest.raises(FreezeError, match=r"cannot read weird \(op StatelessWhile\)"):
        rewrite_for(graph, target)


def test_an_attribute_with_an_effect_is_not_dropped() -> None:
    graph = message_class("GraphDef")()
    node = graph.node.add(name="conv", op="Conv2D")
    node.attr["padding"].s = b"EXPLICIT"
    node.attr["explicit_paddings"].list.i.extend([0, 0, 1, 1, 1, 1, 0, 0])
    with pytest.raises(FreezeError, match=r"conv \(Conv2D with explicit_paddings\)"):
        rewrite_for(graph, TargetRuntime.TENSORFLOW_1_4)


def test_normalization_by_batch_statistics_is_rejected(
    trained_models: dict[str, Path], tmp_path: Path
) -> None:
    training = Choice(constants=(("is_training", (1,)),))
    model = load(trained_models, "saved_model_1_phase_v1", tmp_path, training)
    with pytest.raises(SourceError, match="is_training is true"):
        freeze(model)


def test_a_convolution_with_a_second_consumer_keeps_its_values(tmp_path: Path) -> None:
    """A convolution with a second consumer returns the same values after freezing.

    TensorFlow's fold_batch_norms returns wrong values in this case, without a warning.
    """
    from tests.unit.model_tools.trained import v1  # noqa: PLC0415 - the import loads TensorFlow

    with v1.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(v1.float32, [1, 8, 8, 3], name="image")
        kernel = v1.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 4)), v1.float32)
        convolved = v1.nn.conv2d(image, kernel, 1, "SAME")
        statistics = [v1.constant(value, v1.float32, [4]) for value in (3, -2, 0.5, 0.1)]
        scale, offset, mean, variance = statistics
        norm = v1.nn.fused_batch_norm(convolved, scale, offset, mean, variance, is_training=False)[
            0
        ]
        v1.add(norm, convolved, name="both")
        file = tmp_path / "shared.pb"
        file.write_bytes(session.graph_def.SerializeToString())
    frozen = freeze(find_model(file, tmp_path).load(Choice()))
    assert frozen.parity.largest_relative < 1e-5


def test_nodes_before_a_named_input_are_dropped(tmp_path: Path) -> None:
    from tests.unit.model_tools.trained import v1  # noqa: PLC0415 - the import loads TensorFlow

    with v1.Graph().as_default(), v1.Session() as session:
        serialized = v1.placeholder(v1.string, [None], name="tf_example")
        parsed = v1.io.parse_example(serialized, {"x": v1.io.FixedLenFeature([1], v1.float32)})
        x = v1.identity(parsed["x"], name="x")
        v1.add(x * 0.5, 3.0, name="y")
        file = tmp_path / "half_plus_three.pb"
        file.write_bytes(session.graph_def.SerializeToString())
    choice = Choice(inputs=("x",), outputs=("y",))
    frozen = freeze(find_model(file, tmp_path).load(choice))
    graph = graph_of(frozen)
    assert not {"ParseExample", "ParseExampleV2"} & {node.op for node in graph.node}
    run = graph_runner(graph, frozen.inputs, frozen.outputs)
    assert run({"x": np.array([[2.0], [4.0]], np.float32)})["y"].tolist() == [[4.0], [5.0]]


def test_loops_remain_without_functions(tmp_path: Path) -> None:
    from tests.unit.model_tools.trained import v1  # noqa: PLC0415 - the import loads TensorFlow

    class Doubler(v1.Module):
        @v1.function(input_signature=[v1.TensorSpec([1, 4], v1.float32, name="x")])
        def double(self, x: Any) -> Any:
            _, result = v1.while_loop(lambda i, _: i < 5, lambda i, y: (i + 1, y * 2), (0, x))
            return {"doubled": result}

    import tensorflow as tf  # noqa: PLC0415 - the import loads TensorFlow

    module = Doubler()
    tf.saved_model.save(module, str(tmp_path / "loop"), signatures=module.double)
    frozen = freeze(find_model(tmp_path / "loop", tmp_path).load(Choice()))
    graph = graph_of(frozen)
    assert not graph.library.function
    assert "LoopCond" in {node.op for node in graph.node}
    assert frozen.parity.largest_absolute == 0


def test_several_candidates_are_listed(tmp_path: Path) -> None:
    graph = message_class("GraphDef")()
    for name in ("left", "right"):
        graph.node.add(name=f"in_{name}", op="Placeholder").attr["dtype"].type = 1
        graph.node.add(name=name, op="Neg", input=[f"in_{name}"]).attr["T"].type = 1
    file = tmp_path / "two.pb"
    file.write_bytes(graph.SerializeToString())
    files = find_model(file, tmp_path)
    with pytest.raises(AmbiguousError, match="--output; candidates: left, right"):
        files.load(Choice())
    assert files.load(Choice(outputs=("left",))).inputs.keys() == {"in_left"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (
            Choice(signature="predict"),
            "'predict' is not a signature of the model: expected one of: serving_default",
        ),
        (Choice(tags=("train",)), "no graph has the tags train; available: serve"),
        (Choice(outputs=("softmax_tenser",)), "similar names: softmax_tensor"),
        (Choice(inputs=("image", "image")), "the alias is used twice"),
        (Choice(constants=(("softmax_tensor", (1,)),)), "the graph has no such placeholder"),
    ],
)
def test_the_error_of_a_wrong_choice_lists_the_valid_ones(
    trained_models: dict[str, Path], tmp_path: Path, choice: Choice, expected: str
) -> None:
    with pytest.raises(SourceError) as error:
        load(trained_models, "saved_model_1", tmp_path, choice)
    assert expected in str(error.value)


def test_a_saved_model_without_weights_is_one_error(
    trained_models: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("saved_model_1", "saved_model_2"):
        alone = tmp_path / name
        alone.mkdir()
        (alone / "saved_model.pb").write_bytes(
            (trained_models[name] / "saved_model.pb").read_bytes()
        )
        with pytest.raises(SourceError, match="variables is missing or incomplete"):
            find_model(alone, tmp_path).load(Choice())


def test_an_output_that_differs_is_rejected(
    trained_models: dict[str, Path], tmp_path: Path
) -> None:
    model = load(trained_models, "saved_model_1", tmp_path)
    wrong = replace(model, run=lambda arrays: {k: v + 0.001 for k, v in model.run(arrays).items()})
    with pytest.raises(FreezeError, match=r"differs from its source by 0\.001"):
        freeze(wrong)


def test_the_optimizer_keeps_versions_and_outputs(
    trained_models: dict[str, Path], tmp_path: Path
) -> None:
    model = load(trained_models, "checkpoint", tmp_path)
    producer = model.graph.versions.producer
    graph, _, outputs = optimised(model)
    assert graph.versions.producer == producer > 0
    assert outputs["softmax_tensor"].name == "softmax_tensor:0"
    assert "softmax_tensor" in {node.name for node in graph.node}
