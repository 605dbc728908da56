"""An execution follows the pipeline's definition, and reports an action that cannot run."""

from pathlib import Path

import pytest

from deeplens.local.pipeline import PipelineError
from deeplens.local.pipeline.assets import publish
from deeplens.local.pipeline.definition import read_pipeline
from deeplens.local.pipeline.execution import ApprovalMissingError
from tests.delivery.pipelines import action, build, execution


@pytest.mark.process
def test_actions_run_in_their_order_and_stages_after_one_another(tmp_path: Path) -> None:
    made, _ = execution(
        tmp_path,
        ("One", [build("second", 2), build("first", 1)]),
        ("Two", [build("third")]),
        first="echo 1 >> order",
        second="echo 2 >> order",
        third="echo 3 >> order",
    )
    made.run()
    assert (tmp_path / "order").read_text().split() == ["1", "2", "3"]
    assert [action.action for action in made.done] == ["first", "second", "third"]


@pytest.mark.process
def test_a_command_that_fails_stops_everything_after_it_and_shows_its_last_lines(
    tmp_path: Path,
) -> None:
    made, _ = execution(
        tmp_path,
        ("dev", [build("Gate")]),
        ("production", [build("never")]),
        Gate="echo false detections >&2; exit 3",
        never="touch never",
    )
    with pytest.raises(PipelineError, match=r"(?s)dev/Gate: .* ended with 3:\nfalse detections"):
        made.run()
    assert not (tmp_path / "never").exists()


@pytest.mark.process
def test_the_error_of_an_own_command_is_shown_without_the_command(tmp_path: Path) -> None:
    made, _ = execution(
        tmp_path, ("dev", [build("Gate")]), Gate="echo 'Error: not verified' >&2; exit 1"
    )
    with pytest.raises(PipelineError, match=r"^dev/Gate: not verified$"):
        made.run()


@pytest.mark.process
def test_what_make_prints_about_itself_is_not_a_result(tmp_path: Path) -> None:
    makefile = "all:\n\t@$(MAKE) inner\ninner:\n\t@true\n"
    (tmp_path / "Makefile").write_text(makefile, encoding="utf-8")
    made, printed = execution(tmp_path, ("dev", [build("Gate")]), Gate="make")
    made.run()
    assert printed[-1].startswith("  `make` done ")


@pytest.mark.process
def test_an_assembly_that_changes_between_stages_stops_the_execution(tmp_path: Path) -> None:
    made, _ = execution(
        tmp_path,
        ("One", [build("tamper")]),
        ("Two", [build("never")]),
        tamper="echo x >> cdk.out/Delivery.template.json",
        never="touch never",
    )
    with pytest.raises(
        PipelineError, match=r"Two: the assembly changed .*Delivery\.template\.json"
    ):
        made.run()
    assert not (tmp_path / "never").exists()


@pytest.mark.process
def test_without_an_answer_nothing_goes_on_and_with_one_it_says_who(tmp_path: Path) -> None:
    stage = ("production", [action("Approve", "Manual", CustomData="gets x"), build("next", 2)])
    (tmp_path / "a").mkdir()
    made, _ = execution(tmp_path / "a", stage, next="touch next")
    with pytest.raises(
        ApprovalMissingError, match="production/Approve: waiting for approval: gets x"
    ):
        made.run()
    assert not (tmp_path / "a/next").exists()
    (tmp_path / "b").mkdir()
    made, printed = execution(tmp_path / "b", stage, approver="A Person", next="touch next")
    made.run()
    assert (tmp_path / "b/next").exists()
    assert any("approved by A Person: gets x" in line for line in printed)


@pytest.mark.process
def test_a_build_has_no_credentials_but_the_embedded_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "real")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setenv("MAKEFLAGS", "w")
    made, _ = execution(tmp_path, ("One", [build("env")]), env="env | grep -e ^AWS_ -e ^M > seen")
    made.run()
    seen = (tmp_path / "seen").read_text()
    assert "real" not in seen
    assert "MAKE" not in seen
    assert "AWS_ACCESS_KEY_ID=999999999999" in seen
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:9" in seen


def test_a_provider_that_nothing_carries_out_is_named(tmp_path: Path) -> None:
    made, _ = execution(tmp_path, ("One", [action("Act", "ServiceCatalog")]))
    with pytest.raises(PipelineError, match=r"One/Act: .*ServiceCatalog"):
        made.run()


def test_no_assembly_and_no_pipeline_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="; `cdk synth` creates one"):
        read_pipeline(tmp_path)
    (tmp_path / "manifest.json").write_text('{"artifacts": {}}')
    with pytest.raises(PipelineError, match=r"contains no pipeline; add .*delivery\.toml"):
        read_pipeline(tmp_path)


def test_an_asset_command_that_is_not_known_is_shown(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="assets: 'cdk-assets something' is not supported"):
        publish(tmp_path, "cdk-assets something", lambda *_: None)
