"""What the methods run on: U-Nets with random weights, and a real checkpoint."""
