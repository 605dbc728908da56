"""Patterns of service models have the meaning of Java's regular expressions."""

import string
import unicodedata

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.input_validation.patterns import compiled, matches

SERVICES = (
    "application-autoscaling", "cloudformation", "cloudwatch", "codebuild", "ecr", "events",
    "greengrassv2", "iam", "iot", "iot-data", "iot-jobs-data", "kms", "lambda", "logs", "sagemaker",
    "sagemaker-runtime", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "stepfunctions", "sts",
)  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_the_emulators_services_can_be_compiled(service: str) -> None:
    model = botocore.session.Session().get_service_model(service)
    for name in model.shape_names:
        pattern = model.shape_for(name).metadata.get("pattern")
        if pattern:
            compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"[\p{Graph}\x20]*", "a b~!", "a\tb"),
        (r"[^\p{C}]*", "Grüße, 世界", "a\x00"),
        (r"[\p{Upper}\p{Digit}_]+", "A_1", "É"),
        (r"\p{ASCII}*", "a\x7f", "é"),
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "Ä 1", "a#"),
        (r"\A\S[\p{Print}]*\z", "a b", " a"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "a\U0001f600", "\x00"),
        (r"([\p{L}_]*)${1,128}", "a", "1"),
        (r"[\w-_]*", "a-_", "a b"),
        (r"(?<first>a)b", "ab", "b"),
        (r"\d+", "12", "١٢"),
        (r"\w+", "az", "é"),
        (r"^a$", "a", "a\n"),
        ("a|b", "b", "bb"),
    ],
)
def test_a_pattern_applies_to_the_whole_value_as_java_reads_it(
    pattern: str, good: str, bad: str
) -> None:
    assert matches(pattern, good)
    assert not matches(pattern, bad)


@given(st.characters(), st.sampled_from(["L", "Lu", "M", "N", "P", "S", "Z", "C", "Cc"]))
def test_a_category_contains_the_characters_that_unicode_gives_it(
    character: str, category: str
) -> None:
    is_member = unicodedata.category(character).startswith(category)
    assert matches(rf"\p{{{category}}}", character) == is_member
    assert matches(rf"[^\p{{{category}}}]", character) != is_member


@given(st.characters())
def test_posix_classes_are_of_ascii(character: str) -> None:
    is_graph = character in string.ascii_letters + string.digits + string.punctuation
    assert matches(r"\p{Graph}", character) == is_graph
    assert matches(r"\p{Punct}", character) == (character in string.punctuation)
