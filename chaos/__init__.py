"""Let things go wrong, and check what must hold all the same: ``python -m chaos``.

The parts have the names that Jepsen gives them. A *scenario* draws runs from seeds. In each run, *workloads* (tasks of
Airflow in processes of their own, or a whole Airflow) work on a *service*, while a *nemesis* injects faults: in HTTP
exchanges, at *kill points* of processes, or on a schedule. Afterwards, *checkers* compare what the workloads reported
with what the service's database contains. There is one checker for each property.
"""
