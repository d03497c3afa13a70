"""The workloads: tasks, with the checks of their results."""
