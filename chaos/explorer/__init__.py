"""Explore publishing exhaustively: every schedule of a few faults, in virtual time, against a model of WriftAI.

``nemesis`` injects the faults of a schedule, ``service`` models the service, ``workload`` runs a task with its tries,
``publishers`` runs several tasks that publish the same image, ``checkers`` checks the results, ``explore`` enumerates
the schedules, and ``mutants`` breaks the code on purpose, to show that the exploration would notice.
"""
