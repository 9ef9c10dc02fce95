"""One onnxruntime session: provider, threads, spinning, warm-up, and what was really used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from edge_runtime.errors import CardError, InstallError, ModelError, OptionError
from edge_runtime.libraries import in_one_line
from edge_runtime.model.card import ModelCard
from edge_runtime.model.onnx_file import ModelFile, load_model_file
from edge_runtime.model.preprocess import Image

__all__ = ["PROVIDERS", "Session", "SessionOptions", "open_session"]

# What the user types, and what onnxruntime calls it.
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
# Building a TensorRT engine takes minutes, and the phone and NPU providers run only part of an
# int8 graph: those are for users who ask for them by name.
_AUTO = ("cuda", "cpu")
_MOST_DEFAULT_THREADS = 4  # beyond, networks of this size wait for each other more than they work


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How to run a model.

    Attributes:
        provider: A name from `PROVIDERS`, which must work, or `auto`.
        threads: Of one inference; 0 takes the machine's cores, at most 4.
        spinning: Whether idle threads wait by spinning; right for bench and batches, wrong
            beside a video loop, where they take a core from the decoder.
    """

    provider: str = "auto"
    threads: int = 0
    spinning: bool = True


class Session:
    """A loaded, warmed-up model.

    Attributes:
        card: The model's card.
        provider_asked: What the user typed.
        provider_used: What onnxruntime runs, by our name.
        explanation: "asked X, got Y, because Z".
        threads: Threads of one inference.
        outputs: Names of what `run` returns.
    """

    def __init__(self, model: ModelFile, options: SessionOptions) -> None:
        """Load and warm up.

        Raises:
            OptionError: The provider is unknown, or the threads are far more than the cores.
            InstallError: The provider is not in this onnxruntime.
            ModelError: onnxruntime refuses the file, or the provider asked for does not load.
            CardError: The card's labels or input do not fit the graph.
        """
        cores = os.cpu_count() or 1
        if options.threads > 4 * cores:
            raise OptionError(f"--threads {options.threads}: this machine has {cores} cores")
        self.card: ModelCard = model.card
        self.provider_asked = options.provider
        self.threads = options.threads or min(cores, _MOST_DEFAULT_THREADS)
        wanted, why = _choose(options.provider)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self.threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        spinning = "1" if options.spinning else "0"
        settings.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        try:
            self._session = onnxruntime.InferenceSession(
                model.data, settings, providers=[PROVIDERS[name] for name in wanted]
            )
        except Exception as error:  # onnxruntime's own exceptions share no other base
            raise ModelError(
                f"{model.path}: onnxruntime cannot load it ({in_one_line(error)})"
            ) from None
        got = self._session.get_providers()[0]
        self.provider_used = next((k for k, v in PROVIDERS.items() if v == got), got)
        if self.provider_used != wanted[0]:
            if options.provider != "auto":
                raise ModelError(
                    f"provider {options.provider}: onnxruntime lists it but could not start it "
                    f"and fell back to {self.provider_used}; its libraries are missing or do "
                    "not fit ('edge-run doctor' shows what is installed)"
                )
            why = f"{wanted[0]} is listed but could not be started"
        self.explanation = f"asked {options.provider}, got {self.provider_used}, because {why}"
        self.outputs = tuple(o.name for o in self._session.get_outputs())
        self._foreign = model.foreign
        self._one_by_one = False
        if model.foreign:
            self._take_foreign(model)
        else:
            _check_fit(model, self._session)
        blank = np.zeros((1, self.card.input.height_px, self.card.input.width_px, 3), np.uint8)
        try:
            self.run(blank)  # the first run allocates and, on a GPU, compiles
        except Exception as error:
            raise ModelError(
                f"{model.path}: onnxruntime cannot run it ({in_one_line(error)})"
            ) from None

    def run(self, images: Image) -> dict[str, npt.NDArray[np.float32]]:
        """Run the model.

        Args:
            images: uint8, (N, height_px, width_px, 3), RGB, as `preprocess` makes them.

        Returns:
            Each output by name, float32, first axis N.
        """
        if self._foreign:
            return {"embedding": self._embed(self._foreign.convert(images))}
        answers = self._session.run(list(self.outputs), {"image": images})
        return dict(zip(self.outputs, answers, strict=True))

    def _take_foreign(self, model: ModelFile) -> None:
        """Refuse a foreign graph that is no embedding of the size described."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        size, where = model.card.input, str(model.path)
        sides = [size.height_px, size.width_px]
        nchw = model.foreign is not None and model.foreign.layout == "NCHW"
        expected = [3, *sides] if nchw else [*sides, 3]
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            raise CardError(f"{where}: expected one input of float pictures")
        got = list(inputs[0].shape[1:])
        if any(isinstance(g, int) and g != e for g, e in zip(got, expected, strict=True)):
            raise CardError(f"{where}: takes pictures of {got}, its description says {expected}")
        if len(outputs) != 1:
            names = ", ".join(o.name for o in outputs)
            raise CardError(f"{where}: expected one output, the embedding; it has {names}")
        self._input = inputs[0].name
        self._one_by_one = isinstance(inputs[0].shape[0], int)
        self.outputs = ("embedding",)

    def _embed(self, pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        parts = np.split(pictures, len(pictures)) if self._one_by_one else [pictures]
        rows = [self._session.run(None, {self._input: part})[0] for part in parts]
        return np.concatenate(rows).reshape(len(pictures), -1).astype(np.float32)


def open_session(path: Path, options: SessionOptions) -> Session:
    """Load, check and warm up the model in a file; see `Session`."""
    return Session(load_model_file(path), options)


def _choose(provider: str) -> tuple[list[str], str]:
    """Return the provider names to give to onnxruntime, best first, and why the first."""
    available = set(onnxruntime.get_available_providers())
    if provider == "auto":
        wanted = [name for name in _AUTO if PROVIDERS[name] in available]
        best = "no GPU provider is installed" if wanted == ["cpu"] else "it is installed"
        return wanted, best
    if provider not in PROVIDERS:
        raise OptionError(
            f"provider {provider}: not known; expected auto, {', '.join(sorted(PROVIDERS))}"
        )
    if PROVIDERS[provider] not in available:
        names = [k for k, v in PROVIDERS.items() if v in available]
        raise InstallError(
            f"provider {provider}: this onnxruntime has only {', '.join(names)}; "
            "install the onnxruntime build that has it"
        )
    return [provider] if provider == "cpu" else [provider, "cpu"], "it was named"


def _check_fit(model: ModelFile, session: onnxruntime.InferenceSession) -> None:
    """Refuse a graph whose input or outputs are not what its card says."""
    card, where = model.card, str(model.path)
    inputs = {i.name: i for i in session.get_inputs()}
    expected = [card.input.height_px, card.input.width_px, 3]
    if list(inputs) != ["image"] or inputs["image"].type != "tensor(uint8)":
        raise CardError(f"{where}: expected one input 'image' of uint8, got {', '.join(inputs)}")
    if list(inputs["image"].shape[1:]) != expected:
        raise CardError(
            f"{where}: the card says input (N, {', '.join(map(str, expected))}), the graph "
            f"{inputs['image'].shape}"
        )
    if isinstance(inputs["image"].shape[0], int):
        raise CardError(
            f"{where}: the graph takes only batches of {inputs['image'].shape[0]}; export it "
            "with the first axis free"
        )
    outputs = {o.name: o.shape for o in session.get_outputs()}
    needed = {"boxes", "scores", "landmarks"} if card.task == "detection" else {"scores"}
    if not needed <= set(outputs):
        missing = ", ".join(sorted(needed - set(outputs)))
        raise CardError(f"{where}: the graph has no output {missing}")
    if card.task != "detection" and outputs["scores"][-1] != len(card.labels):
        raise CardError(
            f"{where}: the card names {len(card.labels)} labels, the graph answers with "
            f"{outputs['scores'][-1]} scores"
        )
