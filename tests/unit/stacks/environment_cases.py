"""Valid environment files, and invalid values."""

DIGEST = "ab" * 32
# A character that Unicode and the pattern `\d` treat as a digit.
ARABIC_ONE = "\N{ARABIC-INDIC DIGIT ONE}"
VALID = f"""
account = "111111111111"
region = "eu-central-1"

[model]
name = "shapes"
digest = "{DIGEST}"

[model_store]
bucket_name = "deeplens-dev-models"

[fleet]
thing_group = "deeplens-dev"
"""

# Each item contains a string of VALID, its replacement, and a part of the error.
WRONG_VALUES = [
    ('"deeplens-dev-models"', '"models-of-dev"', "'deeplens-models-of-dev'"),
    ('"deeplens-dev-models"', '"deeplens-Models"', "'deeplens-models'"),
    ('"eu-central-1"', '"eu-central-9"', "most similar name: 'eu-central-1'"),
    ('"111111111111"', '"1111"', r"^[0-9]{12}$"),
    ('"111111111111"', "111111111111", "given 111111111111, expected a string in quotes"),
    (DIGEST, "12", "model.digest: given '12'"),
    ('name = "shapes"', 'name = "Shapes!"', "model.name: given 'Shapes!'"),
    ("[fleet]", "[fleets]", "fleets: unknown key; did you mean 'fleet'?"),
    ("thing_group", "thing_grup", "did you mean 'thing_group'?"),
    ("[fleet]", "[inference]\nthreshold = 1.5\n[fleet]", "given 1.5, expected at most 1"),
    ("[fleet]", '[inference]\nthreshold = "0.5"\n[fleet]', "given '0.5', expected a number"),
    ("[fleet]", '[rollout]\nsuccess_percent = "95"\n[fleet]', "given '95', expected a number"),
    ('"111111111111"', '"1111"', "expected the twelve digits of the AWS account"),
    ("[fleet]", "[inference]\ncamera = 'usb'\n[fleet]", "inference.camera: given 'usb'"),
    ("[fleet]", "[inference]\ncamera = 'rtsp://u:p@h/s'\n[fleet]", "must not contain a password"),
    ("[fleet]", "[inference]\ntopic = 'a/#'\n[fleet]", "no wildcard"),
    ("[fleet]", "[inference]\ntopic = 'cam-{thing}/x'\n[fleet]", "as a level"),
    ("[fleet]", "[inference]\ntopic = 'a/b/c/d/e/f/g/h/i'\n[fleet]", "7 slashes"),
    ("[fleet]", '[inference]\ntopic = "it\'s"\n[fleet]', "no quote"),
    (
        "[fleet]",
        "[inference]\nengine = 'mxnet'\n[fleet]",
        "'openvino', 'tensorflow' or 'awscam'",
    ),
    ("[fleet]", "[inference]\nlog_retention_days = 2\n[fleet]", "given 2, expected 1, 3"),
    ('= "deeplens-dev"', '= "deeplens:dev"', "fleet.thing_group: given 'deeplens:dev'"),
    ('thing_group = "deeplens-dev"', "things = ['a b']", "fleet.things.0: given 'a b'"),
    ('thing_group = "deeplens-dev"', "things = ['a', 'a']", "listed once; twice: a"),
    ('thing_group = "deeplens-dev"', "core_runtime = 'v1'", "'classic' or 'lite'"),
    ("[fleet]", "[monitoring]\nnotify = ['me']\n[fleet]", "monitoring.notify.0: given 'me'"),
    ("[fleet]", "[monitoring]\nno_heartbeat_minutes = 0\n[fleet]", "given 0"),
    ("[fleet]", "[monitoring]\nfailing_share = 10\n[fleet]", "given 10"),
    ("[fleet]", "[tags]\n'aws:x' = '1'\n[fleet]", "no key starts with 'aws:'"),
    ("[fleet]", "[tags]\nteam = 1\n[fleet]", "tags.team: given 1"),
    ("[fleet]", "[lights]\n[fleet]", "lights: unknown key"),
    ('account = "111111111111"', 'account = "111111111111"\nmodel_store = 3', "not valid TOML"),
    ('account = "111111111111"', 'permissions_boundary = "a b"', "permissions_boundary: given"),
    ("deeplens-dev-models", "deeplens-x-s3alias", "for example 'deeplens-x'"),
    ("[fleet]", "[inference]\ntopic = '$aws/x'\n[fleet]", "no leading '$'"),
    ("[fleet]", "[rollout]\nwait_seconds = 5000\n[fleet]", "rollout.wait_seconds: given 5000"),
    ('account = "111111111111"', "", "account: is missing; expected the twelve digits"),
    ('account = "111111111111"', 'name = "x"', "is the file's own name"),
    ("[model]", "[model", "not valid TOML"),
    ('"111111111111"', f'"{ARABIC_ONE * 12}"', f"account: given '{ARABIC_ONE * 12}'"),
    ("[fleet]", "[inference]\ncamera = 'v4l2:/dev/video٣'\n[fleet]", "inference.camera: given"),
    ("[fleet]", "[inference]\nframe_interval_seconds = 0.001\n[fleet]", "given 0.001"),
]

# The items have the form of `WRONG_VALUES`, but a JSON Schema does not describe these errors.
HOSTILE_VALUES = [
    (
        '= "deeplens-dev"',
        f'= "{"x" * 120}"\n[[rollout.waves]]\npercent = 5',
        "fleet.thing_group has 120 characters, and with waves by percentage at most 105 work",
    ),
    (
        "[fleet]",
        "[rollout.rate]\nbase_per_minute = 5\nincrement_factor = 1.55\n[fleet]",
        "rollout.rate.increment_factor: given 1.55: AWS IoT accepts at most 1 digit after",
    ),
    (
        "[fleet]",
        "[rollout.rate]\nbase_per_minute = 5\nmaximum_per_minute = 4\n[fleet]",
        "'maximum_per_minute' (4) is below the initial rate, 'base_per_minute' (5)",
    ),
    (
        "[fleet]",
        "[rollout.abort]\nfailed_percent = 10.999\n[fleet]",
        "rollout.abort.failed_percent: given 10.999: AWS IoT accepts at most 2 digits after",
    ),
    ('"111111111111"', '"111111111111\\n"', "account: contains the character U+000A"),
    ("[fleet]", '[inference]\ncamera = "folder:\\u001b[2J"\n[fleet]', "character U+001B"),
    ("[fleet]", '[inference]\ntopic = "a/\\u202eb"\n[fleet]', "inference.topic: contains the"),
    ("[fleet]", '["\\u001b]0;x\\u0007"]\n[fleet]', r"\x1b]0;x\x07: contains the character U+001B"),
    ("[fleet]", f"[rollout]\nwait_seconds = 0x{'f' * 9000}\n[fleet]", "the integer is above 64"),
    ("[fleet]", f"[rollout]\nwait_seconds = {'9' * 5000}\n[fleet]", "not valid TOML"),
    ("[fleet]", f"x = {'[' * 5000}{']' * 5000}\n[fleet]", "nested too deeply"),
    ("[fleet]", f"x = {'{a=' * 5000}1{'}' * 5000}\n[fleet]", "nested too deeply"),
]
