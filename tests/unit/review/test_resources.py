"""Changes of resources are predicted as CloudFormation performs them."""

from dataclasses import replace
from typing import Any

import pytest

from deeplens.review.blocked_updates import blocked_updates
from deeplens.review.comparison import compare_environment
from deeplens.review.resources import ResourceChange, compare_resources


def bucket(name: str, **attributes: Any) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}, **attributes}


RETAINED = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def changes(before: Any, after: Any) -> dict[str, ResourceChange]:
    return {change.logical_id: change for change in compare_resources(before, after)[0]}


def test_the_same_template_changes_nothing(environment: Any) -> None:
    same = environment(Store={"Bucket": bucket("a"), "Key": {"Type": "AWS::KMS::Key"}})
    review = compare_environment(same, same)
    assert not review.changed
    assert not review.alarms


def test_a_renamed_bucket_is_replaced_with_an_alarm_about_its_objects(
    environment: Any,
) -> None:
    before = environment(Store={"Bucket": bucket("a", **RETAINED)})
    after = environment(Store={"Bucket": bucket("b", **RETAINED)})
    change = changes(before, after)["Bucket"]
    assert change.kind == "replaced"
    assert change.alarm.startswith("STATE IS REPLACED: Bucket is replaced: BucketName changes")
    assert "The previous one remains in the account with its objects" in change.alarm


def test_a_bucket_without_retain_is_deleted(environment: Any) -> None:
    before = environment(Store={"Bucket": bucket("a", **RETAINED)})
    after = environment(Store={"Bucket": bucket("b")})
    assert "DELETED with its objects" in changes(before, after)["Bucket"].alarm


def test_a_resource_that_loses_its_retention_policy_is_an_alarm(environment: Any) -> None:
    change = changes(
        environment(Store={"Bucket": bucket("a", **RETAINED)}),
        environment(Store={"Bucket": bucket("a")}),
    )["Bucket"]
    assert change.kind == "changed"
    assert change.alarm.startswith("STATE IS NO LONGER RETAINED")


def test_a_removed_key_is_an_alarm_and_a_removed_policy_is_not(environment: Any) -> None:
    before = environment(
        Store={"Key": {"Type": "AWS::KMS::Key"}, "Policy": {"Type": "AWS::IAM::ManagedPolicy"}}
    )
    removed = changes(before, environment(Store={}))
    assert removed["Key"].alarm.startswith("STATE IS REMOVED")
    assert removed["Policy"].kind == "removed"
    assert not removed["Policy"].alarm


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
    resources, replaced = compare_resources(before, after)
    assert {(change.stack, change.logical_id, change.kind) for change in resources} == {
        ("Store", "Bucket", "replaced"),
        ("Store", "Policy", "replaced"),
        ("User", "Policy", "replaced"),
    }
    (sentence,) = blocked_updates(before, after, replaced)
    assert sentence.startswith("CloudFormation will reject this update: dev-Store exports")
    assert "dev-User imports" in sentence


def test_the_removal_of_an_imported_export_is_rejected(environment: Any) -> None:
    exporting = {"Store": {"Out": {"Value": "1", "Export": {"Name": "x:b"}}}}
    user = {"One": {"Type": "AWS::SNS::Topic", "Properties": {"X": {"Fn::ImportValue": "x:b"}}}}
    before = environment(outputs=exporting, Store={}, User=user)
    (alarm,) = compare_environment(before, environment(Store={}, User={})).alarms
    assert "removes the export" in alarm


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
def test_replacements_follow_cloudformations_schemas(
    environment: Any, type_: str, before: dict[str, Any], after: dict[str, Any], kind: str
) -> None:
    sides = [
        environment(Stack={"One": {"Type": type_, "Properties": properties}})
        for properties in (before, after)
    ]
    assert changes(*sides)["One"].kind == kind


def test_another_type_of_a_logical_id_is_rejected(environment: Any) -> None:
    review = compare_environment(
        environment(Stack={"One": {"Type": "AWS::SNS::Topic"}}),
        environment(Stack={"One": {"Type": "AWS::SQS::Queue"}}),
    )
    assert any("Use a new construct id" in alarm for alarm in review.alarms)


def test_a_stack_that_is_removed_from_the_app_is_an_alarm(environment: Any) -> None:
    before = environment(Store={"Bucket": bucket("a")}, Old={"Bucket": bucket("b")})
    (alarm,) = compare_environment(before, environment(Store={"Bucket": bucket("a")})).alarms
    assert alarm.startswith("THE STACK dev-Old IS REMOVED FROM THE APP")


def test_a_removed_environment_and_another_account_are_alarms(
    environment: Any,
) -> None:
    before = environment(Store={"Bucket": bucket("a")})
    assert "IS REMOVED FROM THE APP" in compare_environment(before, None).alarms[0]
    review = compare_environment(before, replace(before, account="999999999999"))
    assert "THE ACCOUNT OR REGION CHANGES" in review.alarms[0]
    assert [change.kind for change in review.resources] == ["added"]


def test_changed_code_is_described_by_its_files(environment: Any, tmp_path: Any) -> None:
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
