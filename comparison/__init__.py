"""What the demo and the benchmark share: models, hires passes, clocks, and picture metrics."""
