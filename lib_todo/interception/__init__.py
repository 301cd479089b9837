"""How a model's calls are caught: which classes, whose settings hold, who else has a layer."""
