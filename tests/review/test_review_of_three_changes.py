"""Real changes, really synthesized: a new model, a wider role, a renamed bucket.

Each is said in the right words in all three forms and in the terminal.
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

pytestmark = [pytest.mark.process, pytest.mark.slow]


@dataclass(frozen=True)
class Told:
    """What a review said, form by form, as plain text."""

    checkout: Checkout
    digest: str
    terminal: str

    def everywhere(self) -> dict[str, str]:
        forms = self.checkout.forms()
        reader = _Text()
        reader.feed(forms["review.html"])
        markdown = re.sub(r"\\(.)", r"\1", forms["review.md"])
        return {
            "html": reader.text,
            "markdown": markdown,
            "json": forms["review.json"],
            "terminal": self.terminal,
        }

    def environment(self, name: str) -> Any:
        return next(one for one in self.checkout.json()["environments"] if one["name"] == name)


class _Text(HTMLParser):
    text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def told(make_checkout: Any) -> Told:
    """The review of the three changes."""
    checkout = make_checkout("one")
    digest = three_changes.make(checkout)
    result = checkout.review("main")
    assert result.returncode == 0, result.stderr
    return Told(checkout, digest, result.stdout)


def test_nothing_changed_is_an_empty_review(make_checkout: Any) -> None:
    checkout = make_checkout("unchanged")
    result = checkout.review("HEAD", "--json")
    assert result.returncode == 0, result.stderr
    content = checkout.json()
    assert result.stdout == checkout.forms()["review.json"]
    assert len(content["environments"]) >= 3
    for one in content["environments"]:
        assert not one["changed"], one
    assert content["findings"]["new"] == content["findings"]["gone"] == []


def test_a_renamed_bucket_is_shouted_as_state_replaced_and_refused(told: Told) -> None:
    words = (
        f"STATE IS REPLACED: Models/Bucket is replaced: BucketName changes from "
        f"deeplens-staging-222222222222-eu-central-1 to {three_changes.RENAMED}. "
        "The new one starts without its objects. The old one stays in the account with its objects"
    )
    for form, text in told.everywhere().items():
        assert words in text, form
    staging = told.environment("staging")
    replaced = {one["name"] for one in staging["resources"] if one["kind"] == "replaced"}
    assert {"Models/Bucket", "Models/Bucket/Policy"} <= replaced
    assert any("STATE IS REPLACED" in alarm for alarm in staging["alarms"])


def test_a_wider_role_is_said_in_plain_words(told: Told) -> None:
    words = (
        "The cameras' role (Devices/TokenExchange/Role) may now also s3:PutObject on "
        "arn:aws:s3:::a-bucket/*."
    )
    for form, text in told.everywhere().items():
        assert words in text, form
    (change,) = told.environment("production")["access"]
    assert change["direction"] == "wider"


def test_a_finding_of_cdk_nag_does_not_stop_the_review_and_is_in_it(told: Told) -> None:
    for form, text in told.everywhere().items():
        assert "AwsSolutions-IAM5[Resource::arn:aws:s3:::a-bucket/*]" in text, form
    findings = told.checkout.json()["findings"]
    assert findings["new"]
    assert all("production" in one["at"] for one in findings["new"])


def test_a_new_model_says_its_card_its_bytes_and_what_restarts(told: Told) -> None:
    with zipfile.ZipFile(pinned_artifact()) as artifact:
        measured = json.loads(artifact.read("manifest.json"))["parity"]
    parity = (
        f"largest difference {measured['largest_absolute']:.3g} "
        f"(relative {measured['largest_relative']:.3g}) over {measured['samples']} samples"
    )
    for form, text in told.everywhere().items():
        assert told.digest in text, form
        assert "9.9.9" in text, form
        assert "circle, square, triangle, star, hexagon" in text, form
        assert parity in text, form
        assert "restart on each camera; the core software does not." in text, form
    devices = told.environment("dev")["devices"]
    artifact = told.checkout.root / "models" / "shapes" / told.digest / "model.zip"
    sizes = {one["name"]: one["download_bytes"] for one in devices["components"]}
    assert sizes["deeplens.dev.model.shapes"] == artifact.stat().st_size
    assert devices["download_bytes"] == sum(sizes.values())
    assert not devices["core_restarts"]


def test_a_release_says_how_many_cameras_are_exposed_when(told: Told) -> None:
    for form in ("html", "markdown", "terminal"):
        text = told.everywhere()[form]
        assert "wave 1: 5 % of the fleet" in text, form
        assert "5 of 100" in text, form
    after = told.environment("dev")["rollout"]["after"]
    assert [(one["at_seconds"], one["exposed_devices"]) for one in after] == [(0, 5), (180, 100)]
    assert told.environment("production")["rollout"] is None
    # The project's role has its rights on the groups of waves before there are waves.
    assert told.environment("dev")["access"] == []


def test_uncommitted_environments_are_said_first(told: Told) -> None:
    assert told.checkout.json()["uncommitted"] == [
        "app.py",
        "environments/dev.toml",
        "environments/staging.toml",
    ]
    for form in ("html", "markdown", "terminal"):
        words = "NOT COMMITTED: environments/dev.toml, environments/staging.toml."
        assert words in told.everywhere()[form], form


def test_two_directories_give_the_same_bytes(told: Told, make_checkout: Any) -> None:
    other = make_checkout("a-longer-name-of-a-folder")
    three_changes.make(other)
    assert other.review("main").returncode == 0
    assert other.forms() == told.checkout.forms()


def test_no_form_names_the_machine(told: Told) -> None:
    for form, text in told.everywhere().items():
        assert str(told.checkout.root) not in text, form
        assert "/tmp/" not in text, form  # noqa: S108 - looked for, not used


def test_nothing_is_left_of_the_tree_that_was_synthesized(told: Told) -> None:
    assert told.checkout.git("worktree", "list").count("\n") == 1
    assert not list((told.checkout.root / ".local").glob("review-*"))
