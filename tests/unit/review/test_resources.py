"""What happens to resources is what CloudFormation would do."""

from typing import Any

import pytest

from deeplens.review.blocked_updates import refusals
from deeplens.review.comparison import compare_environment
from deeplens.review.resources import ResourceChange, compare_resources


def bucket(name: str, **attributes: Any) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}, **attributes}


KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def changes(before: Any, after: Any) -> dict[str, ResourceChange]:
    return {one.logical_id: one for one in compare_resources(before, after)[0]}


def test_the_same_template_changes_nothing(environment: Any) -> None:
    same = environment(Store={"Bucket": bucket("a"), "Key": {"Type": "AWS::KMS::Key"}})
    review = compare_environment(same, same)
    assert not review.changed
    assert not review.alarms


def test_a_renamed_bucket_is_replaced_and_shouts_what_becomes_of_its_objects(
    environment: Any,
) -> None:
    before = environment(Store={"Bucket": bucket("a", **KEPT)})
    after = environment(Store={"Bucket": bucket("b", **KEPT)})
    change = changes(before, after)["Bucket"]
    assert change.kind == "replaced"
    assert change.alarm.startswith("STATE IS REPLACED: Bucket is replaced: BucketName changes")
    assert "The old one stays in the account with its objects" in change.alarm


def test_a_bucket_without_retain_is_said_to_be_deleted(environment: Any) -> None:
    before = environment(Store={"Bucket": bucket("a", **KEPT)})
    after = environment(Store={"Bucket": bucket("b")})
    assert "DELETED with its objects" in changes(before, after)["Bucket"].alarm


def test_losing_the_policy_that_keeps_state_is_an_alarm(environment: Any) -> None:
    change = changes(
        environment(Store={"Bucket": bucket("a", **KEPT)}),
        environment(Store={"Bucket": bucket("a")}),
    )["Bucket"]
    assert change.kind == "changed"
    assert change.alarm.startswith("STATE IS NO LONGER KEPT")


def test_a_removed_key_is_an_alarm_and_a_removed_policy_is_not(environment: Any) -> None:
    before = environment(
        Store={"Key": {"Type": "AWS::KMS::Key"}, "Policy": {"Type": "AWS::IAM::ManagedPolicy"}}
    )
    found = changes(before, environment(Store={}))
    assert found["Key"].alarm.startswith("STATE IS REMOVED")
    assert found["Policy"].kind == "removed"
    assert not found["Policy"].alarm


def test_a_replacement_is_followed_through_references_and_exports(environment: Any) -> None:
    def side(name: str) -> Any:
        return environment(
            outputs={"Store": {"Out": {"Value": {"Ref": "Bucket"}, "Export": {"Name": "x:b"}}}},
            Store={
                "Bucket": bucket(name),
                "Policy": {
                    "Type": "AWS::S3::BucketPolicy",
                    "Properties": {"Bucket": {"Ref": "Bucket"}},
                },
            },
            User={
                "Policy": {
                    "Type": "AWS::S3::BucketPolicy",
                    "Properties": {"Bucket": {"Fn::ImportValue": "x:b"}},
                }
            },
        )

    before, after = side("a"), side("b")
    found, replaced = compare_resources(before, after)
    assert {(one.stack, one.logical_id, one.kind) for one in found} == {
        ("Store", "Bucket", "replaced"),
        ("Store", "Policy", "replaced"),
        ("User", "Policy", "replaced"),
    }
    (refusal,) = refusals(before, after, replaced)
    assert refusal.startswith("CloudFormation will refuse this update: dev-Store exports")
    assert "dev-User imports" in refusal


def test_an_export_that_goes_while_a_stack_imports_it_is_refused(environment: Any) -> None:
    exporting = {"Store": {"Out": {"Value": "1", "Export": {"Name": "x:b"}}}}
    user = {"One": {"Type": "AWS::SNS::Topic", "Properties": {"X": {"Fn::ImportValue": "x:b"}}}}
    before = environment(outputs=exporting, Store={}, User=user)
    (refusal,) = compare_environment(before, environment(Store={}, User={})).alarms
    assert "removes the export" in refusal


@pytest.mark.parametrize(
    ("type_", "before", "after", "kind"),
    [
        ("AWS::Lambda::Function", {"FunctionName": "a"}, {"FunctionName": "b"}, "replaced"),
        ("AWS::Lambda::Function", {"Timeout": 1}, {"Timeout": 2}, "changed"),
        ("AWS::Logs::LogGroup", {"RetentionInDays": 30}, {"RetentionInDays": 90}, "changed"),
        ("AWS::Logs::LogGroup", {"LogGroupName": "a"}, {}, "replaced"),
        ("AWS::IoT::ThingGroup", {"ThingGroupName": "a"}, {"ThingGroupName": "b"}, "replaced"),
        ("AWS::Unknown::Type", {"A": 1}, {"A": 2}, "perhaps replaced"),
        ("Custom::Thing", {"A": 1}, {"A": 2}, "changed"),
    ],
)
def test_replacement_is_decided_by_cloudformations_specification(
    environment: Any, type_: str, before: dict[str, Any], after: dict[str, Any], kind: str
) -> None:
    sides = [
        environment(Stack={"One": {"Type": type_, "Properties": properties}})
        for properties in (before, after)
    ]
    assert changes(*sides)["One"].kind == kind


def test_another_type_under_one_logical_id_is_refused(environment: Any) -> None:
    review = compare_environment(
        environment(Stack={"One": {"Type": "AWS::SNS::Topic"}}),
        environment(Stack={"One": {"Type": "AWS::SQS::Queue"}}),
    )
    assert any("a new construct id" in alarm for alarm in review.alarms)


def test_a_stack_that_leaves_the_app_is_said_to_stay_in_the_account(environment: Any) -> None:
    before = environment(Store={"Bucket": bucket("a")}, Old={"Bucket": bucket("b")})
    (alarm,) = compare_environment(before, environment(Store={"Bucket": bucket("a")})).alarms
    assert alarm.startswith("THE STACK dev-Old LEAVES THE APP")


def test_an_environment_that_leaves_or_moves_is_an_alarm(environment: Any) -> None:
    one = environment(Store={"Bucket": bucket("a")})
    assert "LEAVES THE APP" in compare_environment(one, None).alarms[0]
    moved = type(one)("dev", "999999999999", one.region, one.stacks, one.assets)
    review = compare_environment(one, moved)
    assert "THE ACCOUNT OR REGION CHANGES" in review.alarms[0]
    assert [change.kind for change in review.resources] == ["added"]


def test_changed_code_is_named_by_its_files_and_not_by_its_hash(
    environment: Any, tmp_path: Any
) -> None:
    def side(hash_: str, text: str) -> Any:
        folder = tmp_path / hash_
        folder.mkdir()
        (folder / "handler.py").write_text(text)
        (folder / "same.py").write_text("")
        function = {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Code": {"S3Key": f"{hash_}.zip"}},
        }
        return environment(assets={hash_: folder}, Stack={"Function": function})

    change = changes(side("a" * 64, "one"), side("b" * 64, "two"))["Function"]
    assert "Function code changed: yes, 1 file: ~ handler.py." in change.sentence
    assert "aaaa" not in str(change)
