"""Training of the demo's built-in model. The demo does not import it."""
