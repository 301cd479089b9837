"""The error of the presets in every cell of a host's samplers by its schedules."""
