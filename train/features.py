"""Features of photos by a frozen backbone, computed once: heads are trained on them in seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from edge_runtime.apps.ahead import ahead
from edge_runtime.apps.progress import progress
from edge_runtime.errors import OptionError
from edge_runtime.media.image import read_for
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Image, preprocess
from train.data.feature_table import FeatureKey, FeatureWriter
from train.data.folders import scan
from train.data.inspect import Print, look
from train.data.samples import Problem, Sample
from train.display import say
from train.errors import DataError, RunError
from train.networks.backbones import check_backbone
from train.networks.transfer import head_input, transfer_network

__all__ = ["backbone_hash", "extract_features", "seed_backbone"]

_BATCH = 64
_WORKERS = 2
_SHOWN = 5  # problems that are told one by one


def extract_features(
    data: Path,
    output: Path,
    *,
    backbone: str,
    weights: str,
    size_px: int,
    enlarged_px: int = 0,
    resume: bool = False,
) -> None:
    """Write the features of all photos of a folder with a folder a class.

    Photos are streamed: memory holds some batches and the list of files.

    Args:
        data: The folder, see `train.data.folders.scan`.
        output: FEATURES.npz, see `train.data.feature_table`.
        backbone: See `train.networks.backbones.BACKBONES`.
        weights: `imagenet`, `none` or a file.
        size_px: Side of the input.
        enlarged_px: Side to which the graph enlarges it; 0 leaves it.
        resume: Go on where an interrupted one stopped.

    Raises:
        DataError: There is nothing to compute features of.
        RunError: Interrupted; what was done can be gone on from. Or another part is in the way.
    """
    check_backbone(backbone, weights, enlarged_px or size_px)
    if output.resolve().is_relative_to(data.resolve()):
        raise OptionError(
            f"--output {output}: lies in --data {data}, whose folders are classes; choose a place "
            "beside it"
        )
    samples = scan(data)
    photos = [s.path.relative_to(data) for s in samples]
    spec = InputSpec(size_px, size_px)
    # Two classes of nothing: what follows the features is cut off.
    if weights == "none":
        seed_backbone()
    network = head_input(transfer_network(spec, 2, backbone, weights, enlarged_px))
    key = FeatureKey(backbone, backbone_hash(network), size_px, enlarged_px, weights)
    writer = FeatureWriter(output, key, photos, int(network.output_shape[-1]), resume)
    if writer.done:
        say(f"going on after {writer.done} of {len(samples)} photos")
    left = samples[writer.done :]
    try:
        with progress("computing features", len(left)) as step:
            for some in _batches(left, spec):
                good = [(found, image) for _, found, image in some if image is not None]
                values = np.zeros((0, network.output_shape[-1]), np.float32)
                if good:
                    images = np.stack([image for _, image in good])
                    values = np.asarray(network.predict_on_batch(images), np.float32)
                writer.add(
                    [s.path.relative_to(data) for s, _, _ in some],
                    [found.exact if isinstance(found, Print) else "" for _, found, _ in some],
                    values,
                    [f"{f.kind}: {f.detail}" if isinstance(f, Problem) else "" for _, f, _ in some],
                )
                for _ in some:
                    step()
    except KeyboardInterrupt:
        raise RunError(
            f"interrupted after {writer.done} of {len(samples)} photos; go on with the same "
            "options and --resume"
        ) from None
    finally:
        writer.close()
    problems = writer.left_out()
    for path, why in problems[:_SHOWN]:
        say(f"left out: {data / path}: {why}")
    if len(problems) > _SHOWN:
        say(f"left out: {len(problems) - _SHOWN} more")
    if not writer.kept:
        writer.discard()
        raise DataError(f"{data}: none of its {len(samples)} files is a photo that can be read")
    count = writer.finish()
    say(f"wrote {output}: {count} photos, {network.output_shape[-1]} features each")


def seed_backbone() -> None:
    """Let the next random backbone be the one of all features made with `--weights none`."""
    keras.utils.set_random_seed(0)


def backbone_hash(network: keras.Model) -> str:
    """Return the SHA-256 of a network's weights, hexadecimal."""
    digest = hashlib.sha256()
    for value in network.get_weights():
        digest.update(np.ascontiguousarray(value, np.float32).tobytes())
    return digest.hexdigest()


Looked = tuple[Sample, Print | Problem, Image | None]


def _batches(samples: list[Sample], spec: InputSpec) -> Iterator[list[Looked]]:
    def looked(sample: Sample) -> Looked:
        found = look(sample)
        if isinstance(found, Problem):
            return sample, found, None
        return sample, found, preprocess(read_for(sample.path, spec).image_bgr, spec)

    prepared = ahead(looked, samples, _WORKERS, 2 * _BATCH)
    while some := list(islice(prepared, _BATCH)):
        yield some
