"""Keras networks: a file a network, each a function from sizes to an unbuilt-weights model."""
