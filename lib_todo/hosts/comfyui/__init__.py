"""ComfyUI: the node ToDo, its patch on a clone of the model, and what it tells."""
