"""Photos to trained Keras models and run folders; runs from a checkout on a workstation."""
