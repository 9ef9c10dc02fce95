"""Figures: NumPy only, used by bench, export, train and benchmarks alike."""
