import dataclasses

import numpy as np
import pytest

from edge_runtime.errors import GalleryError
from edge_runtime.faces.gallery import Gallery, check_name, weights_id
from edge_runtime.model.card import InputSpec, ModelCard

CARD = ModelCard(
    "who", "identity", ("x",), InputSpec(8, 8), provenance={"weights_sha256": "a" * 64}
)
X, Y, Z = np.eye(3, dtype=np.float32)


def _rows(*rows) -> np.ndarray:
    return np.stack(rows).astype(np.float32)


@pytest.fixture
def people() -> Gallery:
    """Ana with two photos, then Ben with one."""
    return Gallery.empty(CARD).enrolled("Ana", _rows(X, Y)).enrolled("Ben", _rows(Z))


def _listed(gallery: Gallery) -> dict[str, list[list[float]]]:
    return {name: rows.tolist() for name, rows in gallery.people.items()}


# Who is in it


def test_enrolling_again_adds_photos_after_those_there_are(people: Gallery) -> None:
    more = people.enrolled("Ana", _rows(Z))
    assert _listed(more) == {"Ana": [X.tolist(), Y.tolist(), Z.tolist()], "Ben": [Z.tolist()]}
    assert len(people.people["Ana"]) == 2  # the one given is as it was


def test_embedding_somebody_already_has_is_not_kept_twice(people: Gallery) -> None:
    nearly = np.array([1, 0.01, 0]) / np.hypot(1, 0.01)  # cosine 0.99995
    other = np.array([0.98, 0.2, 0]) / np.hypot(0.98, 0.2)  # 0.98: another photo
    more = people.enrolled("Ana", _rows(Y, nearly, other, other))
    assert len(more.people["Ana"]) == 3
    assert len(people.enrolled("Ben", _rows(X)).people["Ben"]) == 2  # only one's own count


def test_rename_keeps_the_place_and_the_photos(people: Gallery) -> None:
    assert _listed(people.renamed("Ana", " Zoe ")) == {
        "Zoe": [X.tolist(), Y.tolist()], "Ben": [Z.tolist()]
    }  # fmt: skip
    assert list(people.renamed("Ana", "Zoe").people) == ["Zoe", "Ben"]
    assert list(people.renamed("Ana", "ANA").people) == ["ANA", "Ben"]


@pytest.mark.parametrize("act", [lambda g: g.renamed("Cy", "Dee"), lambda g: g.without("Cy")])
def test_unknown_name_is_refused_with_those_there_are(people: Gallery, act) -> None:
    with pytest.raises(GalleryError) as caught:
        act(people)
    assert str(caught.value) == (
        "Cy: nobody of that name among the 2 in the gallery; edge-run gallery list names them"
    )
    with pytest.raises(GalleryError, match="among the 0 in the gallery"):
        act(Gallery.empty(CARD))


def test_name_that_is_nearly_right_is_guessed_at(people: Gallery) -> None:
    with pytest.raises(GalleryError, match=r"in the gallery; did you mean Ana\?$"):
        people.without("Anna")


def test_name_is_found_in_whatever_form_it_is_typed(people: Gallery) -> None:
    """macOS writes an accent as a character of its own."""
    jose = people.renamed("Ana", "Jose\u0301")
    assert list(jose.people) == ["Jos\u00e9", "Ben"]
    assert list(jose.without(" Jose\u0301 ").people) == ["Ben"]


@pytest.mark.parametrize(
    "rows", [np.zeros((0, 3)), np.ones((1, 3)), np.eye(4)[:1]], ids=["none", "long", "wider"]
)
def test_rows_that_do_not_fit_are_a_mistake_of_the_caller(people: Gallery, rows) -> None:
    with pytest.raises(ValueError, match=r"expected rows of unit length like the gallery's \(3,\)"):
        people.enrolled("Cy", rows.astype(np.float32))


def test_names_that_differ_by_case_alone_are_one_persons(people: Gallery) -> None:
    with pytest.raises(GalleryError, match=r"^ANA: the gallery has Ana; write it like that"):
        people.enrolled("ANA", _rows(Z))
    with pytest.raises(GalleryError, match=r"^bEN: Ben is there already"):
        people.renamed("Ana", "bEN")


@pytest.mark.parametrize("name", ["unknown", "Unknown", " UNCERTAIN ", "builtin"])
def test_name_that_means_something_else_is_refused(people: Gallery, name: str) -> None:
    for act in (
        check_name,
        lambda n: people.enrolled(n, _rows(X)),
        lambda n: people.renamed("Ana", n),
    ):
        with pytest.raises(GalleryError, match="means something else in answers"):
            act(name)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\tb", "a\x00", "\u202e", "x" * 101])
def test_what_is_no_name_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(GalleryError, match=r"is no name; take 1 to 100 characters") as caught:
        check_name(name)
    assert str(caught.value).isprintable()


def test_name_is_taken_without_the_blanks_around_it(people: Gallery) -> None:
    assert check_name("  Ana Maria ") == "Ana Maria"
    assert check_name("x" * 100) == "x" * 100
    assert list(people.enrolled(" Ana ", _rows(Z)).people) == ["Ana", "Ben"]


# Whose embeddings


def test_files_of_one_training_have_the_same_id() -> None:
    int8 = dataclasses.replace(CARD, precision="int8", sha256="1" * 64)
    assert weights_id(int8) == weights_id(CARD) == "a" * 64


@pytest.mark.parametrize("told", [{}, {"weights_sha256": ""}, {"weights_sha256": None}])
def test_file_that_tells_no_weights_counts_by_its_own_hash(told: dict) -> None:
    assert weights_id(dataclasses.replace(CARD, provenance=told, sha256="b" * 64)) == "b" * 64


def test_gallery_of_another_model_is_refused_with_whom_to_enroll_again(people: Gallery) -> None:
    people.expect_model(dataclasses.replace(CARD, name="who-int8", sha256="c" * 64), "people.npz")
    other = dataclasses.replace(CARD, provenance={"weights_sha256": "d" * 64})
    with pytest.raises(GalleryError) as caught:
        people.expect_model(other, "people.npz")
    assert str(caught.value).startswith(
        "people.npz: was made with another model (who aaaaaaaa, not who dddddddd)"
    )
    assert "from photos of its 2 people: edge-run enroll" in str(caught.value)
