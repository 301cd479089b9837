"""What the demo and the benchmark share: models, hires passes, measurements, picture metrics."""
