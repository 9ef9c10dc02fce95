"""Entry of `python -m edge_runtime`."""

from edge_runtime.cli import app

if __name__ == "__main__":
    app(prog_name="edge-run")
