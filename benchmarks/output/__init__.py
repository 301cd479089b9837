"""What the results become: tables, plots, targets met or missed, predictions."""
