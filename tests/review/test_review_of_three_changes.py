"""A review shows a new model, a wider role and a renamed bucket.

All three files and the terminal describe each change.
"""

import json
import re
import zipfile
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest

from testkit.pinned import pinned_artifact
from tests.review import three_changes
from tests.review.conftest import Checkout

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.walk]


@dataclass(frozen=True)
class Outputs:
    """The outputs of a review as plain text."""

    checkout: Checkout
    digest: str
    terminal: str

    def texts(self) -> dict[str, str]:
        files = self.checkout.files()
        reader = _Text()
        reader.feed(files["review.html"])
        markdown = re.sub(r"\\(.)", r"\1", files["review.md"])
        return {
            "html": reader.text,
            "markdown": markdown,
            "json": files["review.json"],
            "terminal": self.terminal,
        }

    def environment(self, name: str) -> Any:
        return next(
            environment
            for environment in self.checkout.json()["environments"]
            if environment["name"] == name
        )


class _Text(HTMLParser):
    text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def outputs(make_checkout: Any) -> Outputs:
    """The outputs of the review of the three changes."""
    checkout = make_checkout("one")
    digest = three_changes.make(checkout)
    result = checkout.review("main")
    assert result.returncode == 0, result.stderr
    return Outputs(checkout, digest, result.stdout)


def test_nothing_changed_is_an_empty_review(make_checkout: Any) -> None:
    checkout = make_checkout("unchanged")
    result = checkout.review("HEAD", "--json")
    assert result.returncode == 0, result.stderr
    content = checkout.json()
    assert result.stdout == checkout.files()["review.json"]
    assert len(content["environments"]) >= 3
    for environment in content["environments"]:
        assert not environment["changed"], environment
    assert content["findings"]["new"] == content["findings"]["gone"] == []


def test_a_renamed_bucket_is_an_alarm_about_replaced_state(outputs: Outputs) -> None:
    sentence = (
        f"STATE IS REPLACED: Models/Bucket is replaced: BucketName changes from "
        f"deeplens-staging-222222222222-eu-central-1 to {three_changes.RENAMED}. "
        "The new resource starts without its objects. The previous one remains in the account with "
        "its objects"
    )
    for name, text in outputs.texts().items():
        assert sentence in text, name
    staging = outputs.environment("staging")
    replaced = {change["name"] for change in staging["resources"] if change["kind"] == "replaced"}
    assert {"Models/Bucket", "Models/Bucket/Policy"} <= replaced
    assert any("STATE IS REPLACED" in alarm for alarm in staging["alarms"])


def test_a_wider_role_is_described_in_a_sentence(outputs: Outputs) -> None:
    sentence = (
        "The cameras' role (Devices/TokenExchange/Role) may now also s3:PutObject on "
        "arn:aws:s3:::a-bucket/*."
    )
    for name, text in outputs.texts().items():
        assert sentence in text, name
    (change,) = outputs.environment("production")["access"]
    assert change["direction"] == "wider"


def test_the_review_contains_a_finding_of_cdk_nag(outputs: Outputs) -> None:
    for name, text in outputs.texts().items():
        assert "AwsSolutions-IAM5[Resource::arn:aws:s3:::a-bucket/*]" in text, name
    findings = outputs.checkout.json()["findings"]
    assert findings["new"]
    assert all("production" in finding["at"] for finding in findings["new"])


def test_a_new_model_has_a_card_a_size_and_restarts(outputs: Outputs) -> None:
    with zipfile.ZipFile(pinned_artifact()) as artifact:
        measured = json.loads(artifact.read("manifest.json"))["parity"]
    parity = (
        f"largest difference {measured['largest_absolute']:.3g} "
        f"(relative {measured['largest_relative']:.3g}) over {measured['samples']} samples"
    )
    for name, text in outputs.texts().items():
        assert outputs.digest in text, name
        assert "9.9.9" in text, name
        assert "circle, square, triangle, star, hexagon" in text, name
        assert parity in text, name
        assert "restart on each camera; the core software does not." in text, name
    devices = outputs.environment("dev")["devices"]
    artifact = outputs.checkout.root / "models" / "shapes" / outputs.digest / "model.zip"
    sizes = {component["name"]: component["download_bytes"] for component in devices["components"]}
    assert sizes["deeplens.dev.model.shapes"] == artifact.stat().st_size
    assert devices["download_bytes"] == sum(sizes.values())
    assert not devices["core_restarts"]


def test_a_release_has_the_number_of_exposed_cameras_per_step(outputs: Outputs) -> None:
    for name in ("html", "markdown", "terminal"):
        text = outputs.texts()[name]
        assert "wave 1: 5 % of the fleet" in text, name
        assert "5 of 100" in text, name
    after = outputs.environment("dev")["rollout"]["after"]
    assert [(step["at_seconds"], step["exposed_devices"]) for step in after] == [(0, 5), (180, 100)]
    assert outputs.environment("production")["rollout"] is None
    # The project's role has permissions for groups of waves even if the plan has no waves.
    assert outputs.environment("dev")["access"] == []


def test_uncommitted_environments_come_first(outputs: Outputs) -> None:
    assert outputs.checkout.json()["uncommitted"] == [
        "app.py",
        "environments/dev.toml",
        "environments/staging.toml",
    ]
    for name in ("html", "markdown", "terminal"):
        sentence = "NOT COMMITTED: environments/dev.toml, environments/staging.toml."
        assert sentence in outputs.texts()[name], name


def test_two_folders_result_in_the_same_bytes(outputs: Outputs, make_checkout: Any) -> None:
    other = make_checkout("a-longer-name-of-a-folder")
    three_changes.make(other)
    assert other.review("main").returncode == 0
    assert other.files() == outputs.checkout.files()


def test_no_output_contains_a_path_of_the_machine(outputs: Outputs) -> None:
    for name, text in outputs.texts().items():
        assert str(outputs.checkout.root) not in text, name
        assert "/tmp/" not in text, name  # noqa: S108 - the test searches for the path


def test_the_synthesized_tree_is_deleted(outputs: Outputs) -> None:
    assert outputs.checkout.git("worktree", "list").count("\n") == 1
    assert not list((outputs.checkout.root / ".local").glob("review-*"))
