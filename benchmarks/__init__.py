"""Everything beside its peers: ``python -m benchmarks``; ``workloads`` are the processes that are measured."""
