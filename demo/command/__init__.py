"""`python -m demo`: its options, its tables on the terminal, the files that it writes."""
