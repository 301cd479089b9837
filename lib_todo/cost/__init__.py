"""What pooling saves, in numbers: keys, operations and bytes."""
