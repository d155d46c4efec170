SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo view test soak lint gpu clean

# On one machine, other people's robots stay out of it; a TOPIC may come from another machine.
ifeq ($(TOPIC),)
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST
endif

env := source scripts/env.sh
SECONDS ?= 20
flag = $(if $($(1)),$(2) '$($(1))')
demo_flags = --seconds '$(SECONDS)' $(call flag,IMAGES,--images) $(call flag,VIDEO,--video) $(call flag,TOPIC,--topic) \
	$(call flag,TRUTH,--truth) $(call flag,MODEL,--model) $(call flag,WEIGHTS,--weights) $(call flag,ENGINE,--engine) \
	$(if $(DEPTH),--depth) $(if $(LIDAR),--lidar) $(if $(TRUE_LABELS),--true-labels) \
	$(call flag,MIN_MIOU,--min-miou) $(call flag,MIN_AP50,--min-ap50)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv ready: torch, ROS 2 (the sourced one, or wheels; ROS=jazzy) and the messages; PYTHON=
	@scripts/setup.sh

demo: setup ## camera, node and check for SECONDS=20; IMAGES= VIDEO= TOPIC= TRUTH= MODEL= WEIGHTS= ENGINE= MIN_MIOU= MIN_AP50= DEPTH= LIDAR= TRUE_LABELS= ARGS=; BAG=1 labels a recording
	@$(env); python -m seg_ros.cli.$(if $(BAG),bag_demo,demo $(demo_flags)) $(ARGS)

view: setup ## the street with depth (LIDAR=1), live on a page in the browser, until Ctrl-C; PORT=8080 and demo's variables
	@$(env); python -m seg_ros.cli.demo --view '$(or $(PORT),8080)' $(if $(LIDAR)$(IMAGES)$(VIDEO)$(TOPIC),,--depth) $(demo_flags) $(ARGS)

test: setup lint ## lint and the tests; ARGS= go to pytest
	@$(env); scripts/test_packages.sh; python -m pytest -q $(ARGS)

soak: setup ## the tests of faults and long runs in their long forms; the fuzzers for SECONDS=20 each; ARGS= go to pytest
	@$(env); SEG_ROS_SOAK='$(SECONDS)' python -m pytest test/faults test/fuzz test/ros/test_many_cameras.py test/ros/test_real_time.py -q -s $(ARGS)

lint: setup ## ruff
	@$(env); ruff check; ruff format --check

gpu: ## check an NVIDIA GPU in at most 8 minutes, without ROS and setup (PYTHON= with torch, else .venv's); ARGS=
	@$(or $(PYTHON),$(wildcard .venv/bin/python),python3) scripts/gpu_check.py $(ARGS)

clean: ## remove what setup, colcon and the tests made
	rm -rf .venv .venv-* build install log .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
