"""The front door to model files: check, info, models."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from edge_runtime.cli_options import Model, Provider, say, say_once
from edge_runtime.errors import EdgeError, OptionError
from edge_runtime.libraries import need_libraries

__all__ = ["add_model_commands"]

_NAMED_IN_A_LINE = 7  # labels; a face model knows a hundred


def add_model_commands(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    app.command()(check)
    app.command()(info)
    files = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    files.callback()(models)
    files.command()(get)
    app.add_typer(files, name="models")


def check(model: Model, provider: Provider = "auto") -> None:
    """Run a model's golden sample here: does this machine answer as the exporter's did?

    Example: edge-run check --model expression
    """
    need_libraries()
    from edge_runtime.apps.opening import open_model
    from edge_runtime.errors import ModelError
    from edge_runtime.model.golden import check_golden
    from edge_runtime.model.session import SessionOptions

    session = open_model(model, SessionOptions(provider), say_once)
    result = check_golden(session)
    kind = "the same kind of CPU" if result.same_cpu else "another kind of CPU or provider"
    says = (
        f"{model}: golden sample differs by {result.difference:.4f}, allowed {result.tolerance} "
        f"on {kind}"
    )
    if not result.passed:
        raise ModelError(f"{says}; export the model on this kind of machine, or report it")
    print(f"ok: {says}")


def info(model: Annotated[str, typer.Argument(help="Model file or shipped name.")]) -> None:
    """Show what a model file says of itself: a list here, JSON in a pipe.

    Example: edge-run info expression
    """
    from edge_runtime.apps.rows import print_json
    from edge_runtime.model.catalog import find_model
    from edge_runtime.model.onnx_file import load_model_file

    path = find_model(model)
    loaded = load_model_file(path)
    card: dict[str, Any] = json.loads(loaded.card.to_json())
    if not sys.stdout.isatty():
        print_json(card)
        return
    if card["golden"]:
        card["golden"]["image_png"] = f"({len(card['golden']['image_png'])} characters)"
    print(f"file: {path} ({len(loaded.data):,} bytes)")
    for key, value in card.items():
        print(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")


def models(context: typer.Context) -> None:
    """List the models that came with edge-run, and those it can fetch.

    Example: edge-run models
    """
    if context.invoked_subcommand is not None:
        return
    from edge_runtime.apps.rows import print_json
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.downloads import KNOWN, cached
    from edge_runtime.model.onnx_file import load_model_file

    for name, path in shipped_models().items():
        loaded = load_model_file(path)
        card = loaded.card
        row = {
            "name": name, "task": card.task, "precision": card.precision,
            "bytes": len(loaded.data), "labels": list(card.labels),
        }  # fmt: skip
        if sys.stdout.isatty():
            labels = ", ".join(card.labels[:_NAMED_IN_A_LINE])
            if (more := len(card.labels) - _NAMED_IN_A_LINE) > 0:
                labels += f" and {more} more"
            print(f"{name:12} {card.task:15} {card.precision}  {len(loaded.data):>9,} B  {labels}")
        else:
            print_json(row)
    for name, download in KNOWN.items():
        try:
            state = "is here" if cached(download) else f"edge-run models get {name} fetches it"
        except EdgeError as error:
            state = str(error)
        say(f"{name}: {download.license}, {state}")


def get(
    name: Annotated[str, typer.Argument(help="sface (embeddings) or yunet (detector).")],
) -> None:
    """Fetch a known-good model of somebody else's into the user's cache, and check its hash.

    The cache is EDGE_RUN_MODELS if set. Only this and a model named by its https address
    use the network.

    Example: edge-run models get sface
    """
    from edge_runtime.apps.progress import progress_of_bytes
    from edge_runtime.model.downloads import KNOWN, fetch

    if name not in KNOWN:
        raise OptionError(f"{name}: not known; expected {' or '.join(KNOWN)}")
    with progress_of_bytes(f"fetching {name}") as step:
        path = fetch(KNOWN[name], step)
    print(path)
