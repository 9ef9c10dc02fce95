"""A recipe a file: data, network, schedule, and the figure it reached."""
