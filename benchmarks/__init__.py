"""Speed, memory and error of ToDo beside what a user would pick instead: `python -m benchmarks`."""
