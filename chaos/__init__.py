"""Inject faults and check that the provider's guarantees still hold: ``python -m chaos``.

The parts are named as in Jepsen. A *scenario* draws runs from seeds. In each run, *workloads* (Airflow tasks in their
own processes, or a complete Airflow) use a *service* while a *nemesis* injects faults: in HTTP exchanges, at *kill
points* of processes, or on a schedule. Afterwards, *checkers* compare what the workloads reported with what the
service's database contains. There is one checker per guarantee.
"""
