# `make help` lists what there is. Every target sets up what it needs: see workspace/.

VENV ?= .venv
# Another Python than the first that fits, another mujoco than the pinned one, and which ONNX Runtime: cpu or gpu.
PYTHON ?=
MUJOCO ?=
ONNXRUNTIME ?=
# What `make setup` installs beside the robot's packages: some of sim, dev and train.
EXTRAS ?= sim
# Options for pytest, for example: make test PYTEST_OPTIONS="-k kitchen -x"; and how many tests run side by side.
PYTEST_OPTIONS ?=
WORKERS ?= 2

export PYTHON
set_up = workspace/run --venv '$(VENV)' --mujoco '$(MUJOCO)' --onnxruntime '$(ONNXRUNTIME)'
in_environment = '$(VENV)/bin/spirl-env'
# Each worker begins with tests that stand together, which share what their modules make, and then helps the other.
pytest = python -m pytest -n $(WORKERS) --dist worksteal
checked = src/spirl_ros src/spirl_msgs benchmarks launch tests workspace
define code_checks
$(in_environment) ruff format --check $(checked)
$(in_environment) ruff check $(checked)
$(in_environment) pyright --pythonpath '$(VENV)/bin/python'
endef

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-mujoco4 test-pythons check format shell clean

help:
	@echo "make demo     start the kitchen in simulation; EPISODES=3 VIEWER=none RATE=lockstep SEED=0 change it"
	@echo "make test     formatting, lint, types and all tests"
	@echo "make check    formatting, lint, types and the fast tests"
	@echo "make format   format the code"
	@echo "make shell    a shell in which ros2 (where installed), spirl and the messages are found"
	@echo "make setup    only set up; EXTRAS='sim dev train' chooses what, PYTHON=python3.12 with which Python"
	@echo "make clean    delete everything that the set-up made"
	@echo "make test-pythons   fast tests without ROS with Python 3.10 and 3.13, where they are found"
	@echo "make test-mujoco4   run all tests with mujoco 4 in an environment of its own"

setup:
	@$(set_up) --extras $(EXTRAS)

demo:
	@$(set_up) --extras sim --quiet
	@exec $(in_environment) python -m workspace.demo 'episodes:=$(EPISODES)' 'viewer:=$(VIEWER)' 'rate:=$(RATE)' \
	  'seed:=$(SEED)'

test:
	@$(set_up) --extras sim dev train --quiet
	$(code_checks)
	$(in_environment) $(pytest) $(PYTEST_OPTIONS)

test-mujoco4:
	@$(MAKE) --no-print-directory test VENV=.venv-mujoco4 MUJOCO=4.0.0

test-pythons:
	@workspace/test_pythons $(WORKERS)

check:
	@$(set_up) --extras sim dev --quiet
	$(code_checks)
	$(in_environment) $(pytest) -m "not slow" $(PYTEST_OPTIONS)

format:
	@$(set_up) --extras sim dev --quiet
	$(in_environment) ruff check --fix $(checked)
	$(in_environment) ruff format $(checked)

shell:
	@$(set_up) --extras sim --quiet
	@exec $(in_environment) "$${SHELL:-/bin/sh}"

clean:
	@for venv in '$(VENV)' .venv .venv-mujoco4; do if [ -f "$$venv/spirl-setup.json" ]; then rm -rf "$$venv"; fi; done
	@rm -rf .venv-python3.10 .venv-python3.13
	@rm -rf .venv.removed .setup.log .pytest_cache .ruff_cache .hypothesis src/spirl_ros/*.egg-info
	@find src benchmarks tests launch workspace -name __pycache__ -type d -prune -exec rm -rf {} +
