"""One table: how a network is trained and evaluated, by its task."""

from __future__ import annotations

from seg_ros.models import INSTANCES, SEMANTIC
from seg_ros.training.instance_task import InstanceTask
from seg_ros.training.semantic_task import SemanticTask
from seg_ros.training.task import Task

TASKS: dict[str, type[Task]] = {SEMANTIC: SemanticTask, INSTANCES: InstanceTask}
