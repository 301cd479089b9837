"""Output of the results: tables, plots, targets, predictions."""
