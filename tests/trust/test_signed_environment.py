"""`[signing]` in an environment file: valid values, and the resulting templates."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import by_environment, read_assembly, text
from deeplens.config import ConfigError, EnvironmentConfig, load_artifact, load_environment
from deeplens.policy import violations
from deeplens.releases.artifacts import find_release
from deeplens.releases.code_signing import code_objects, profile_of
from deeplens.releases.signature_check import check_signed, check_signed_pin
from model_tools.errors import RegistryError
from tests.synth.synthesis import synthesize
from tests.trust.conftest import ROOT, Team

PROFILE = "arn:aws:signer:eu-central-1:111111111111:/signing-profiles/releases/abcdef1234"
LITE = '[inference]\nisolation_mode = "NoContainer"\n[fleet]\ncore_runtime = "lite"\n'
OTHERS = '[model]\nname = "shapes"\ndigest = "{digest}"\n[model_store]\n'


def environment(team: Team, artifact: Path, keys: list[str], rest: str = "") -> Path:
    file = team.folder / "environments" / "dev.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        f'account = "111111111111"\nregion = "eu-central-1"\n'
        f"{OTHERS.format(digest=artifact.parent.name)}"
        f"[fleet]\n[signing]\npublic_keys = {json.dumps(keys)}\n{rest}",
        encoding="utf-8",
    )
    return file


@pytest.mark.parametrize(
    ("keys", "rest", "says"),
    [
        (["abc"], "", "124 characters"),
        ([base64.b64encode(bytes(91)).decode()], "", "P-256"),
        ([], f'revoked_keys = ["{"0" * 64}"]\n', "without public_keys"),
        ([], 'revoked_keys = ["ABC"]\n', "64 lower-case hex digits"),
        ([], "require = true\n", "did you mean 'required'"),
        (["ann", "ann"], "", "twice"),
    ],
)
def test_a_wrong_section_is_one_clear_error(
    team: Team, keys: list[str], rest: str, says: str
) -> None:
    given = [team.person("ann").text if key == "ann" else key for key in keys]
    file = environment(team, team.artifact("one"), given, rest)
    with pytest.raises(ConfigError, match="signing") as error:
        load_environment(file)
    assert says in str(error.value)


def test_a_release_that_nobody_signed_is_not_synthesized(team: Team) -> None:
    artifact = team.artifact("one")
    read = load_environment(environment(team, artifact, [team.person().text]))
    with pytest.raises(ConfigError, match="deeplens release sign"):
        load_artifact(team.folder / "models", read.model, read.signing)
    artifact.with_name("model.zip.sig").write_text("no JSON", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a signed statement"):
        load_artifact(team.folder / "models", read.model, read.signing)


def test_promotion_and_gate_refuse_what_the_environment_would(team: Team) -> None:
    one, two = team.release("one"), team.release("two")
    stranger = team.release("three", by="mallory", count=9)
    models = team.folder / "models"

    def pinning(artifact: Path) -> EnvironmentConfig:
        return load_environment(environment(team, artifact, [team.person().text]))

    def release(artifact: Path) -> Any:
        return find_release(models, artifact.parent.name)

    forward = check_signed(pinning(one), release(two), models=models)
    assert forward is not None
    assert forward.release == 2
    with pytest.raises(RegistryError, match=r"dev would reject it: rollback: .*--again"):
        check_signed(pinning(two), release(one), models=models)
    with pytest.raises(RegistryError, match="arbitrary software installation: "):
        check_signed(pinning(one), release(stranger), models=models)
    with pytest.raises(RegistryError, match="arbitrary software installation: "):
        check_signed_pin(pinning(stranger), models)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Team]:
    """The assembly of dev (signed) and edge (signed, on nucleus lite), and the team that signs."""
    checkout = tmp_path_factory.mktemp("checkout")
    team = Team(checkout)
    artifact = team.release("one")
    for name in ("stacks", "lambda_src"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json", "package.json"):
        shutil.copy(ROOT / name, checkout / name)
    (checkout / ".lambda-layer").symlink_to(ROOT / ".lambda-layer")
    file = environment(team, artifact, [team.person().text])
    lite = file.read_text(encoding="utf-8").replace("[fleet]\n", LITE).replace("1" * 12, "2" * 12)
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f'lambda_profile = "{PROFILE}"\n')
    (file.parent / "edge.toml").write_text(lite, encoding="utf-8")
    result = synthesize(checkout / "out", file.parent, checkout)
    assert result.returncode == 0, result.stderr
    return checkout / "out", team


@pytest.mark.process
def test_signed_environments_break_no_rule(templates: tuple[Path, Team]) -> None:
    for name, stacks in by_environment(read_assembly(templates[0])).items():
        assert [str(finding) for finding in violations(stacks)] == [], name


@pytest.mark.process
@pytest.mark.parametrize("name", ["dev", "edge"])
def test_the_statement_goes_to_the_store_and_to_every_camera(
    templates: tuple[Path, Team], name: str
) -> None:
    folder, team = templates
    resources = next(
        one.template["Resources"].values()
        for one in read_assembly(folder)
        if one.name == f"{name}-Inference"
    )
    published = next(one["Properties"] for one in resources if "Statement" in one["Properties"])
    assert published["TrustedKeys"] == team.person().text
    components = [one for one in resources if one["Type"] == "Custom::GreengrassComponent"]
    everything = "".join(
        text(one["Properties"].get(key, ""))
        for one in components
        for key in ("Recipe", "LambdaFunction")
    )
    bucket = f"s3://deeplens-{name}-{'1' * 12 if name == 'dev' else '2' * 12}-eu-central-1"
    assert f"{bucket}/{published['StatementKey']}" in everything
    for variable in ("TRUSTED_KEYS", "MODEL_NAME", "MODEL_STATEMENT", "SIGNATURE_REQUIRED"):
        assert f"DEEPLENS_{variable}" in everything


@pytest.mark.process
def test_only_the_publisher_of_a_signed_environment_has_the_layer(
    templates: tuple[Path, Team], assembly_layers: set[str]
) -> None:
    signed = {
        function["Properties"]["Handler"]
        for one in read_assembly(templates[0])
        for function in one.template["Resources"].values()
        if function["Type"] == "AWS::Lambda::Function" and "Layers" in function["Properties"]
    }
    assert signed == {"model_artifact.handler"}
    assert assembly_layers == set()


@pytest.mark.process
def test_lambda_refuses_code_that_the_profile_did_not_sign(templates: tuple[Path, Team]) -> None:
    stacks = [one for one in read_assembly(templates[0]) if one.environment == "dev"]
    assert profile_of(stacks) == PROFILE
    functions = 0
    for stack in stacks:
        for resource in stack.template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::CodeSigningConfig":
                policy = resource["Properties"]["CodeSigningPolicies"]
                assert policy == {"UntrustedArtifactOnDeployment": "Enforce"}
            if resource["Type"] == "AWS::Lambda::Function":
                functions += 1
                assert "Fn::GetAtt" in resource["Properties"]["CodeSigningConfigArn"]
    assert functions == 5
    assert 3 <= len(code_objects(stacks)) <= functions + 1


@pytest.fixture(scope="module")
def assembly_layers() -> set[str]:
    """The names of golden templates with a Lambda layer; without keys, an environment has none."""
    return {
        file.name
        for file in (ROOT / "tests/synth/golden").glob("*.json")
        if "AWS::Lambda::LayerVersion" in file.read_text(encoding="utf-8")
    }
