"""What the README claims is what the committed results say."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def figures(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


def test_accuracy_in_the_readme_is_that_of_the_committed_results() -> None:
    expression = figures("accuracy-expression")["test"]["int8"]
    detector = figures("accuracy-detector")["test"]["int8"]
    text = readme()
    assert f"{100 * expression['happy_sad']['accuracy']:.1f}%" in text
    assert f"n = {expression['happy_sad']['n']:,}" in text
    assert f"{100 * expression['accuracy']:.1f}%" in text
    assert f"n = {expression['n']:,}" in text
    assert f"{detector['average_precision']:.4f}" in text
    assert f"{detector['faces']} faces" in text


def test_agreed_expressions_in_the_readme_are_those_of_the_committed_result() -> None:
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.onnx_file import load_model_file

    result = figures("expression")
    assert result["model"]["sha256"] == load_model_file(shipped_models()["expression"]).card.sha256
    agreed = result["results"]["expression"]["happy_sad_agreed"]
    share, n = f"{100 * agreed['accuracy']:.1f}%", agreed["n"]
    assert f"{share} where most FER+ voters share the label (n = {n})" in readme()


def test_steadiness_in_the_readme_is_that_of_the_committed_result() -> None:
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.onnx_file import load_model_file

    result = figures("steady")
    assert result["model"]["sha256"] == load_model_file(shipped_models()["expression"]).card.sha256
    shares = [row["accuracy"] for name, row in result["photos"].items() if name != "as it is"]
    tracks = [track for clip in result["clips"].values() for track in clip["tracks"].values()]
    changes = [track["changes"] for track in tracks]
    text = readme()
    assert f"{100 * min(shares):.1f}% to {100 * max(shares):.1f}%" in text
    assert f"{sum(changes)} in {sum(t['frames'] for t in tracks)} frames, {max(changes)}" in text
    assert len(result["clips"]) == len(tracks) == 10


def test_pets_in_the_readme_are_those_of_the_committed_results() -> None:
    pets = figures("accuracy-pets")["test"]["int8"]
    assert f"| {100 * pets['accuracy']:.1f}% (n = {pets['n']}) |" in readme()


def test_objects_in_the_readme_are_those_of_the_committed_results() -> None:
    objects = figures("accuracy-objects")["test"]["int8"]
    assert f"| {100 * objects['accuracy']:.1f}% (n = {objects['n']:,}) |" in readme()


def test_faces_in_the_readme_are_those_of_the_committed_results() -> None:
    faces = figures("accuracy-faces")["test"]["int8"]
    lfw = faces["subsets"]["lfw20"]
    two = figures("accuracy-faces-two_people")["test"]["int8"]
    text = readme()
    assert f"{100 * faces['accuracy']:.1f}% (n = {faces['n']})" in text
    assert f"{100 * lfw['accuracy']:.1f}% (n = {lfw['n']})" in text
    assert f"{round(two['accuracy'] * two['n'])} of {two['n']}" in text


def test_results_are_of_the_models_that_ship() -> None:
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.onnx_file import load_model_file

    for name, path in shipped_models().items():
        assert figures(f"accuracy-{name}")["model"]["sha256"] == load_model_file(path).card.sha256


def test_speed_in_the_readme_is_that_of_the_committed_results() -> None:
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.onnx_file import load_model_file

    webcam, startup = figures("webcam"), figures("startup")
    for name, sha256 in webcam["models"].items():
        assert load_model_file(shipped_models()[name]).card.sha256 == sha256
    text = readme()
    assert f"{webcam['every_frame_per_s']['median']:.0f} frames/s" in text
    assert f"{webcam['every_frame_recorded_per_s']['median']:.0f} frames/s" in text
    assert f"{webcam['at_source_pace']['age_ms']['p95']:.0f} ms" in text
    assert f"{startup['ratio_median']:.2f} times" in text


def test_false_faces_in_the_readme_are_those_of_the_committed_results() -> None:
    from edge_runtime.faces.detector import OnnxFaceDetector
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.onnx_file import load_model_file

    result = figures("false-faces")
    detector = load_model_file(shipped_models()["detector"]).card
    assert result["model"]["sha256"] == detector.sha256
    seen = result["pictures_with_a_face_at"][f"{OnnxFaceDetector.sure:g}"]
    assert f"| {seen} of {result['n']} |" in readme()


def test_finding_and_naming_in_the_readme_are_those_of_the_committed_result() -> None:
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.onnx_file import load_model_file

    result = figures("faces")
    for name, model in result["models"].items():
        assert load_model_file(shipped_models()[name]).card.sha256 == model["sha256"]
    ours, theirs = (result["identity"][name] for name in ("edge-run", "MobileFaceNet"))
    drawn, n = ours["drawn"]["held"], ours["held"]["n"]
    text = readme()
    assert f"{drawn['accuracy']:.1%} (n = {n}, mean of {drawn['draws']} draws" in text
    assert f"from millions of faces: {theirs['drawn']['held']['accuracy']:.1%} |" in text
    pairs = ours["lfw_pairs"]
    assert f"| {pairs['accuracy']:.1%} (n = {pairs['n']})" in text
    found = {k: result["detection"]["annotated"][k] for k in ("edge-run", "YuNet")}
    false = {k: result["detection"]["faceless"][k]["photos"]["boxes"] for k in found}
    said = [f"{found[k]['recall_sure']:.1%}, {false[k]}" for k in found]
    assert f"| {said[0]}; YuNet at native size {said[1]} |" in text


def test_detector_says_what_the_committed_scores_say() -> None:
    from edge_runtime.faces.closer_look import CloserLook
    from edge_runtime.faces.detector import OnnxFaceDetector
    from edge_runtime.model.catalog import shipped_models
    from edge_runtime.model.onnx_file import load_model_file

    result = figures("face-scores")
    assert result["model"]["sha256"] == load_model_file(shipped_models()["detector"]).card.sha256
    assert (result["sure"], result["faint"]) == (OnnxFaceDetector.sure, OnnxFaceDetector.faint)
    said = " ".join((OnnxFaceDetector.__doc__ or "").split())
    val, once = result["val"], result["faceless"]["once"]
    assert f"{val['sure']:.0%} of {val['faces']} faces" in said
    assert f"{val['faint']:.0%} reach `faint`" in said
    assert f"{once['sure']} reach `sure`" in said
    assert f"and {once['faint']} `faint`" in said
    assert once["sure"] <= result["faceless"]["yunet"]["sure"]
    said = " ".join((CloserLook.__doc__ or "").split())
    far = result["pasted"]["far"]
    shares = f"{far['closer']['sure']:.0%} instead of {far['once']['sure']:.0%} of {far['n']}"
    assert shares in said
    said = " ".join((CloserLook.__init__.__doc__ or "").split())
    crowd = result["hundred"]
    assert f"{crowd['thorough']} are found instead of {crowd['closer']}" in said


def test_exporting_says_what_calibration_took() -> None:
    took = figures("memory")["calibration"]["peak_mb"]
    said = f"took {took / 1000:.1f} GB at\nmost"
    assert said in (ROOT / "docs" / "exporting.md").read_text("utf-8")
    assert took < 4096
