"""What is measured: one module for each part that `--parts` names."""
