"""How calls are intercepted: which classes, which run applies, what a layer takes."""
