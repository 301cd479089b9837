"""The hint in the accordion: what a picture will gain, by the cost model and by what was seen."""
