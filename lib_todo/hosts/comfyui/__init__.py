"""ComfyUI: the node ToDo, its patch on a clone of the model, and the text under the node."""
