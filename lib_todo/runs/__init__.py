"""Settings that hold somewhere: what becomes of the calls of models and layers meanwhile."""
