"""How it is measured: rounds, clocks, the machine, and the file of results."""
