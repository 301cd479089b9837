"""Speed and error of ToDo and of its alternatives: `python -m benchmarks`."""
