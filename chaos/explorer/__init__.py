"""Explore publishing exhaustively: every schedule of up to a few faults, in virtual time, against a model of WriftAI.

``nemesis`` decides what goes wrong at which step, ``service`` is the service, ``workload`` runs a task with its tries,
``publishers`` runs several tasks that publish the same image, ``checkers`` say what must hold afterwards, ``explore``
enumerates the schedules, and ``mutants`` break the code on purpose, to show that the exploration would notice.
"""
