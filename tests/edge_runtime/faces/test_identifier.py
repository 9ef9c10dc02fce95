import dataclasses
import time
from types import MappingProxyType

import numpy as np
import pytest

from edge_runtime.errors import GalleryError, OptionError
from edge_runtime.faces.gallery import Gallery
from edge_runtime.faces.identifier import (
    FALSE_ACCEPT,
    Identifier,
    accept_above,
    embed,
    expect_embedding,
)
from edge_runtime.model.card import InputSpec, ModelCard, Reject
from edge_runtime.model.session import Session, SessionOptions, open_session

X, Y, Z = np.eye(3, dtype=np.float32)
CURVE = [[0.1, 0.2], [0.01, 0.3], [0.0001, 0.5], [0.00001, 0.55]]
CARD = ModelCard("who", "identity", ("x",), InputSpec(8, 8), Reject("cosine", 0.4, 0.01))
MEASURED = dataclasses.replace(CARD, metrics={"impostors": {"n": 9, "curve": CURVE}})


def _gallery(**people) -> Gallery:
    """Return a gallery of the tiny identity model's."""
    rows = {name: np.array(rows, np.float32) for name, rows in people.items()}
    return Gallery("who", "a" * 64, MappingProxyType(rows))


@pytest.fixture
def ask(identity_session):
    """Decide about an embedding, of Ana (on average X) and Ben (Y), from a threshold on."""
    ana = [[0.8, 0, 0.6], [0.8, 0, -0.6]]

    def _ask(output, held: str | None = None, threshold: float = 0.6):
        identifier = Identifier(identity_session, _gallery(Ana=ana, Ben=[Y]), threshold)
        return identifier.decide(np.array(output, np.float32), held)

    return _ask


# Embeddings


def test_embedding_has_unit_length(identity_session) -> None:
    images = np.zeros((3, 16, 16, 3), np.uint8)
    images[0, ..., 0] = 90
    images[1, ..., :2] = (30, 40)
    rows = embed(identity_session, images)
    assert rows.dtype == np.float32
    assert rows == pytest.approx(np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 0]]), abs=1e-5)


def test_embedding_of_any_length_is_brought_to_one(identity_session, monkeypatch) -> None:
    monkeypatch.setattr(
        identity_session, "run", lambda _: {"embedding": np.array([[3, 0, 4]], np.float32)}
    )
    assert embed(identity_session, np.zeros((1, 16, 16, 3), np.uint8)) == pytest.approx(
        np.array([[0.6, 0, 0.8]])
    )


def test_model_that_compares_no_faces_is_refused(color_session, identity_session) -> None:
    expect_embedding(identity_session)
    with pytest.raises(OptionError, match=r"^--model: colors has no embedding"):
        expect_embedding(color_session)
    with pytest.raises(OptionError, match=r"^--model: colors has no embedding"):
        Identifier(color_session, _gallery(), 0.5)


def test_faces_are_cut_from_the_picture_for_the_model(identity_session, scene) -> None:
    identifier = Identifier(identity_session, _gallery(Ana=[X], Ben=[Y]))
    image = scene((0, 0), (64, 64, (0, 255, 0)))
    boxes = np.array([[0, 0, 32, 32], [64, 64, 96, 96]], np.float32)
    rows = identifier.outputs(np.stack([identifier.prepare(image, box) for box in boxes]))
    assert [identifier.decide(row).label for row in rows] == ["Ana", "Ben"]
    assert identifier.wants_faces


# The nearest person


@pytest.mark.parametrize(
    ("output", "label", "score"),
    [
        pytest.param([0.8, 0.6, 0], "Ana", 0.8, id="one of two"),
        pytest.param([0.58, 0, 0.81], "unknown", 0.58, id="near one photo alone"),
        pytest.param([0.6, 0.8, 0], "Ben", 0.8, id="the other"),
        pytest.param([0.64, 0.48, 0], "Ana", 0.64, id="average of vectors that differ a little"),
        pytest.param([0.4, 0.3, 0], "unknown", 0.4, id="average of vectors that differ much"),
        pytest.param([-0.8, 0.55, 0.24], "unknown", 0.55, id="near nobody"),
        pytest.param([-0.8, -0.6, 0], "unknown", -0.6, id="against both"),
        pytest.param([0, 0, 0], "unknown", 0.0, id="of no length"),
    ],
)
def test_person_of_the_nearest_photos_is_named_if_near_enough(ask, output, label, score) -> None:
    answer = ask(output)
    assert (answer.label, answer.on) == (label, "cosine")
    assert answer.score == pytest.approx(score, abs=1e-2)
    assert answer.labels == ("Ana", "Ben")


def test_cosine_at_the_threshold_is_enough(identity_session) -> None:
    identifier = Identifier(identity_session, _gallery(Ana=[X]), 1.0)
    assert identifier.decide(X).label == "Ana"
    assert identifier.decide(np.array([0.9999, 0.01, 0], np.float32)).label == "unknown"


def test_ranking_is_of_the_people_before_any_rejection(ask) -> None:
    answer = ask([0.36, 0.48, -0.8], threshold=0.9)
    assert answer.label == "unknown"
    assert answer.top(5) == [("Ben", 0.48), ("Ana", 0.36)]
    assert answer.top(1) == [("Ben", 0.48)]
    assert str(answer) == "unknown 0.48"


def test_middle_of_several_photos_is_what_counts(identity_session) -> None:
    # Bo's two photos have a middle at (0.71, 0.71, 0), which is nearest; none of them is.
    identifier = Identifier(identity_session, _gallery(Al=[[0.8, 0, 0.6]], Bo=[X, Y]), 0.5)
    asked = np.array([0.62, 0.6, 0.5], np.float32)
    assert identifier.decide(asked).label == "Bo"
    expected = [(0.8 * 0.62 + 0.6 * 0.5), (0.62 + 0.6) / np.sqrt(2)]
    assert identifier.cosines(asked) == pytest.approx(expected, abs=1e-6)


def test_photos_that_contradict_each_other_point_nowhere(identity_session) -> None:
    identifier = Identifier(identity_session, _gallery(Al=[X, -X], Bo=[Y]), 0.5)
    assert identifier.cosines(X).tolist() == [0, 0]


def test_gallery_of_nobody_knows_nobody(identity_session) -> None:
    identifier = Identifier(identity_session, _gallery())
    answer = identifier.decide(X)
    assert (answer.label, answer.score, answer.labels) == ("unknown", 0.0, ())
    assert (answer.top(3), identifier.cosines(X).shape) == ([], (0,))


def test_gallery_of_another_model_is_refused(identity_session) -> None:
    other = dataclasses.replace(_gallery(Ana=[X]), weights="b" * 64)
    with pytest.raises(GalleryError, match=r"^p\.npz: was made with another model"):
        Identifier(identity_session, other, where="p.npz")


# The answer a frame ago


@pytest.mark.parametrize(
    ("output", "held", "label"),
    [
        pytest.param([0.68, 0.70, -0.22], None, "Ben", id="nothing held"),
        pytest.param([0.68, 0.70, -0.22], "Ana", "Ana", id="kept while nearly as near"),
        pytest.param([0.64, 0.70, -0.32], "Ana", "Ben", id="given up for one nearer"),
        pytest.param([0.56, 0.2, -0.80], "Ana", "Ana", id="kept just under the threshold"),
        pytest.param([0.54, 0.2, -0.82], "Ana", "unknown", id="given up further under it"),
        pytest.param([0.54, 0.58, -0.61], "Ana", "unknown", id="given up with all others"),
        pytest.param([0.56, 0.2, -0.80], "Ben", "unknown", id="another has no bonus"),
        pytest.param([0.56, 0.59, -0.58], "Ana", "Ana", id="kept though another is nearer"),
        pytest.param([0.56, 0.2, -0.80], "unknown", "unknown", id="unknown has none"),
        pytest.param([0.61, 0.2, -0.77], "unknown", "Ana", id="known again"),
        pytest.param([0.70, 0.2, -0.69], "Cy", "Ana", id="somebody who is not there"),
    ],
)
def test_answer_before_is_kept_while_within_a_twentieth(ask, output, held, label) -> None:
    output = np.array(output) / np.linalg.norm(output)
    answer = ask(output, held)
    assert answer.label == label
    expected = {"Ana": output[0], "Ben": output[1], "unknown": max(output[:2])}
    assert answer.score == pytest.approx(expected[label], abs=1e-6)


# The threshold


@pytest.mark.parametrize(
    ("people", "false_accept", "cosine"),
    [
        pytest.param(1, 0.01, 0.3, id="a point of the curve"),
        pytest.param(10, 0.01, 0.4, id="half way in the logarithm"),
        pytest.param(100, 0.01, 0.5, id="a hundredth for each of a hundred"),
        pytest.param(1, 0.1, 0.2, id="its beginning"),
        pytest.param(1, 0.9, 0.2, id="before its beginning"),
        pytest.param(1000, 0.01, 0.55, id="its end"),
        pytest.param(10**6, 0.01, 0.7, id="beyond its end, by its last slope"),
        pytest.param(10**15, 0.01, 1.0, id="no cosine is larger"),
        pytest.param(0, 0.01, 0.3, id="nobody, as for one"),
    ],
)
@pytest.mark.parametrize("curve", [CURVE, CURVE[::-1]], ids=["curve", "the other way round"])
def test_threshold_rises_with_the_people_along_the_curve(
    curve, people, false_accept, cosine
) -> None:
    card = dataclasses.replace(CARD, metrics={"impostors": {"curve": curve}})
    assert accept_above(card, people, false_accept) == pytest.approx(cosine)


def test_one_in_a_hundred_strangers_is_the_default() -> None:
    assert FALSE_ACCEPT == 0.01
    assert accept_above(MEASURED, 10) == accept_above(MEASURED, 10, 0.01)


@pytest.mark.parametrize("metrics", [{}, {"impostors": {}}, {"impostors": {"curve": []}}])
def test_without_a_curve_the_cards_one_threshold_counts(metrics) -> None:
    card = dataclasses.replace(CARD, metrics=metrics)
    assert [accept_above(card, people) for people in (1, 1000)] == [0.4, 0.4]


@pytest.mark.parametrize("reject", [None, Reject("probability", 0.5)])
def test_card_without_a_threshold_is_refused_with_the_option(reject) -> None:
    with pytest.raises(OptionError, match=r"^model who states no threshold .* --threshold"):
        accept_above(dataclasses.replace(CARD, reject=reject), 1)


def test_threshold_given_goes_before_the_cards(identity_session) -> None:
    people = _gallery(Ana=[X])
    assert Identifier(identity_session, people).threshold == 0.9
    assert Identifier(identity_session, people, 0.25).threshold == 0.25
    assert Identifier(identity_session, people, 0.0).threshold == 0.0


@pytest.fixture
def measured_session(write_colors, identity_proto) -> Session:
    """The tiny identity model, with a curve of impostors."""
    path = write_colors(
        proto=identity_proto, name="who", task="identity", region="face",
        metrics={"impostors": {"curve": CURVE}}, provenance={"weights_sha256": "a" * 64},
    )  # fmt: skip
    return open_session(path, SessionOptions("cpu", 1))


def test_live_one_in_a_thousand_is_the_default_and_a_name_goes_on_to_one_in_a_hundred(
    measured_session,
) -> None:
    identifier = Identifier(measured_session, _gallery(Ana=[X]), live=True)
    assert identifier.threshold == pytest.approx(0.4)
    rows = {cosine: np.array([cosine, 0, 0], np.float32) for cosine in (0.41, 0.39, 0.31, 0.29)}
    assert [identifier.decide(row).label == "Ana" for row in rows.values()] == [True, *[False] * 3]
    held = [identifier.decide(row, "Ana").label == "Ana" for row in rows.values()]
    assert held == [True, True, True, False]


def test_live_a_threshold_that_is_given_counts_as_it_is(measured_session) -> None:
    identifier = Identifier(measured_session, _gallery(Ana=[X]), 0.6, live=True)
    assert identifier.threshold == 0.6
    assert identifier.decide(np.array([0.56, 0, 0], np.float32), "Ana").label == "Ana"
    assert identifier.decide(np.array([0.54, 0, 0], np.float32), "Ana").label == "unknown"


def test_threshold_is_shared_among_all_photos(measured_session) -> None:
    session = measured_session
    assert Identifier(session, _gallery(Ana=[X])).threshold == pytest.approx(0.3)
    for ten in (_gallery(Ana=[X] * 10), _gallery(**{f"p{i}": [X, Y] for i in range(5)})):
        assert Identifier(session, ten).threshold == pytest.approx(0.4)


# Speed


def test_match_against_ten_thousand_people_takes_less_than_a_millisecond(identity_session) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(10_000, 1, 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    identifier = Identifier(identity_session, _gallery(**{f"p{i}": r for i, r in enumerate(rows)}))
    took = []
    for _ in range(50):
        began = time.perf_counter()
        answer = identifier.decide(rows[1234, 0])
        ranking = answer.top(3)
        took.append(time.perf_counter() - began)
    assert (answer.scores.shape, ranking[0][0]) == ((10_000,), "p1234")
    assert np.median(took) < 0.001
