"""What the command, the app and the notebook share: one picture by each method, measured."""
