"""How a model's calls are intercepted: which classes, which run applies, who else uses a layer."""
