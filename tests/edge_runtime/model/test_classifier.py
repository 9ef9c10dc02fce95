import dataclasses
import json

import numpy as np
import pytest
from onnx import TensorProto, helper

from edge_runtime.errors import OptionError
from edge_runtime.model.card import ModelCard, Reject
from edge_runtime.model.classifier import Classifier, Prediction, choose_labels
from edge_runtime.model.session import SessionOptions, open_session

CPU = SessionOptions("cpu", 1)
SURE, REST = np.exp(4) / (np.exp(4) + 2), 1 / (np.exp(4) + 2)


@pytest.mark.parametrize("color", ["red", "green", "blue"])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (200, 300), (1, 1)])
def test_color_is_told_whatever_the_size(colors, picture, color, height, width) -> None:
    answer = colors.classify(picture(color, height, width))
    assert answer.label == color
    assert answer.score == pytest.approx(SURE, abs=1e-4)
    assert answer.labels == ("red", "green", "blue")


def test_face_model_looks_only_at_the_face(mood, scene) -> None:
    image = scene((8, 16), (64, 80, (0, 255, 0)))
    assert mood.wants_faces
    assert mood.classify(image, np.array([8, 16, 40, 48], np.float32)).label == "red"
    assert mood.classify(image, np.array([64, 80, 96, 112], np.float32)).label == "green"
    assert mood.classify(image).label == "blue"


def test_ranking_is_best_first_and_rounded(colors) -> None:
    image = np.full((8, 8, 3), (0, 255, 128), np.uint8)
    answer = colors.classify(image)
    assert [label for label, _ in answer.top(3)] == ["green", "red", "blue"]
    assert all(score == round(score, 4) for _, score in answer.top(3))
    assert sum(score for _, score in answer.top(3)) == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (2, 2), (3, 3), (99, 3), (0, 1)])
def test_ranking_is_no_longer_than_there_are_labels(colors, picture, asked, given) -> None:
    assert len(colors.classify(picture("red")).top(asked)) == given


def test_equal_scores_rank_in_the_order_of_the_labels(colors, picture) -> None:
    assert [x for x, _ in colors.classify(picture("gray")).top(3)] == ["red", "green", "blue"]


def test_restricted_labels_are_renormalized(color_session, picture) -> None:
    answer = Classifier(color_session, ["blue", "red"]).classify(picture("red"))
    assert answer.labels == ("red", "blue")
    assert answer.scores == pytest.approx([SURE / (SURE + REST), REST / (SURE + REST)], abs=1e-5)
    assert answer.label == "red"


def test_restriction_never_answers_with_another_label(color_session, picture) -> None:
    answer = Classifier(color_session, ["green", "blue"]).classify(picture("red"))
    assert answer.top(9) == [("green", 0.5), ("blue", 0.5)]


def test_one_label_alone_is_certain(color_session, picture) -> None:
    answer = Classifier(color_session, ["green"]).classify(picture("red"))
    assert (answer.label, answer.score) == ("green", pytest.approx(1))


@pytest.mark.parametrize("labels", [None, []], ids=["None", "empty"])
def test_no_restriction_is_all_labels(color_session, labels) -> None:
    assert Classifier(color_session, labels).labels == ("red", "green", "blue")


def test_unknown_label_is_refused_with_those_known(color_session) -> None:
    with pytest.raises(OptionError) as caught:
        Classifier(color_session, ["mauve", "red", "Red"])
    assert str(caught.value) == (
        "--labels: model colors does not know mauve, Red; it knows red, green, blue"
    )


@pytest.mark.parametrize(
    ("color", "label"), [("red", "red"), ("gray", "uncertain")], ids=["above", "below"]
)
def test_answer_below_the_threshold_is_uncertain(write_colors, picture, color, label) -> None:
    session = open_session(write_colors(reject=Reject("probability", 0.5)), CPU)
    answer = Classifier(session).classify(picture(color))
    assert answer.label == label
    assert answer.top(1)[0][0] == "red"  # the raw ranking stays
    assert answer.score == pytest.approx(SURE if color == "red" else 1 / 3, abs=1e-4)


def test_answer_at_the_threshold_is_given(write_colors) -> None:
    session = open_session(write_colors(reject=Reject("probability", 0.5)), CPU)
    assert Classifier(session).decide(np.array([0.5, 0.3, 0.2], np.float32)).label == "red"


@pytest.mark.parametrize(
    ("scores", "held", "label"),
    [
        pytest.param((0.5, 0.45, 0.05), "green", "green", id="kept while nearly as good"),
        pytest.param((0.5, 0.39, 0.11), "green", "red", id="given up for a better one"),
        pytest.param((0.41, 0.3, 0.29), "red", "red", id="kept just under the threshold"),
        pytest.param((0.39, 0.31, 0.3), "red", "uncertain", id="given up far under it"),
        pytest.param((0.49, 0.3, 0.21), "uncertain", "uncertain", id="uncertain has no bonus"),
        pytest.param((0.49, 0.3, 0.21), None, "uncertain", id="nor has a first answer"),
        pytest.param((0.6, 0.3, 0.1), "uncertain", "red", id="certain again"),
    ],
)
def test_answer_before_is_kept_while_it_is_nearly_as_likely(
    write_colors, scores, held, label
) -> None:
    session = open_session(write_colors(reject=Reject("probability", 0.5)), CPU)
    answer = Classifier(session).decide(np.array(scores, np.float32), held)
    assert answer.label == label
    assert answer.score == pytest.approx(scores[1] if label == "green" else scores[0])


@pytest.mark.parametrize(
    ("cosines", "label"),
    [
        pytest.param((0.6, 0.1, 0.0), "red", id="near enough"),
        pytest.param((0.4, 0.9, 0.0), "unknown", id="of the best label, not the largest"),
        pytest.param((0.49, 0.1, 0.0), "unknown", id="a stranger"),
    ],
)
def test_closed_set_of_people_says_unknown_of_strangers(
    write_colors, classifier_proto, cosines, label
) -> None:
    proto = classifier_proto()
    proto.graph.node.append(helper.make_node("Identity", ["means"], ["cosines"]))
    proto.graph.output.append(helper.make_tensor_value_info("cosines", TensorProto.FLOAT, ["N", 3]))
    card = {"task": "identity", "reject": Reject("cosine", 0.5, 0.01)}
    people = Classifier(open_session(write_colors(proto=proto, **card), CPU))
    assert people.tells_strangers
    answer = people.decide(np.array([0.8, 0.15, 0.05, *cosines], np.float32))
    assert (answer.label, answer.score) == (label, pytest.approx(0.8))
    assert answer.top(1) == [("red", 0.8)]
    # What the file answers: probabilities first, then the cosines (here the channels' means).
    picture = np.full((1, 16, 16, 3), (200, 40, 60), np.uint8)
    row = people.outputs(picture)[0]
    assert row[3:].tolist() == [200, 40, 60]
    np.testing.assert_array_equal(people.scores(picture)[0], row[:3])
    # Of many people several are about as likely: a name is kept until another is twice as likely.
    for likely, held in ((0.55, "red"), (0.7, "green")):
        row = np.array([0.95 - likely, likely, 0.05, 0.6, 0.6, 0.0], np.float32)
        assert people.decide(row, "red").label == held
    some = Classifier(people.session, ["blue", "green"])
    assert some.outputs(picture)[0, 2:].tolist() == [40, 60]


def test_ranking_of_equals_is_in_the_order_of_the_labels() -> None:
    labels = tuple(f"p{i}" for i in range(100))
    scores = np.full(100, 0.25, np.float32)
    scores[[40, 7]] = 0.5
    ranking = Prediction("p7", 0.5, labels, scores).top(4)
    assert ranking == [("p7", 0.5), ("p40", 0.5), ("p0", 0.25), ("p1", 0.25)]


def test_card_without_the_field_is_of_a_gallery_where_it_rejects_on_cosine(color_card) -> None:
    """As files say that were exported before it was there."""
    old = dataclasses.replace(color_card, task="identity", reject=Reject("cosine", 0.5))
    text = json.loads(old.to_json())
    del text["answers"]
    assert ModelCard.from_json(json.dumps(text), "x").answers == "gallery"
    del text["reject"]
    assert ModelCard.from_json(json.dumps(text), "x").answers == "labels"


@pytest.fixture
def enrolling_session(write_colors):
    """A face model made for enrolling people, which knows three of its own."""
    reject = Reject("cosine", 0.4, 0.01)
    return open_session(write_colors(task="identity", reject=reject, answers="gallery"), CPU)


def test_face_model_made_for_enrolling_knows_nobody_by_itself(enrolling_session, picture) -> None:
    answer = Classifier(enrolling_session).classify(picture("red"))
    assert answer.label == "unknown"
    assert answer.top(1) == [("red", pytest.approx(SURE, abs=1e-4))]


@pytest.mark.parametrize("labels", [["builtin"], ["red", "green", "blue"]], ids=["all", "named"])
def test_face_model_names_its_own_people_when_asked_to(enrolling_session, picture, labels) -> None:
    answer = Classifier(enrolling_session, labels).classify(picture("green"))
    assert answer.label == "green"
    assert answer.labels == ("red", "green", "blue")


def test_builtin_means_people_and_is_no_label_elsewhere(color_session) -> None:
    with pytest.raises(OptionError, match="does not know builtin"):
        Classifier(color_session, ["builtin"])


def test_builtin_goes_to_the_face_model_and_leaves_the_other_alone(
    enrolling_session, write_colors
) -> None:
    mood = open_session(write_colors(name="mood"), CPU)
    faces, other = choose_labels([enrolling_session, mood], ["builtin"])
    assert (faces.labels, other.labels) == (("red", "green", "blue"),) * 2


def test_detector_is_no_classifier(detector) -> None:
    with pytest.raises(OptionError, match="model squares finds faces and names none"):
        Classifier(detector.session)
