import json

import pytest

from edge_runtime.apps import bench
from edge_runtime.apps.bench import bench_model, describe_bench
from edge_runtime.errors import OptionError
from edge_runtime.model.onnx_file import load_model_file

FIGURES = {"p50", "p90", "p95", "p99", "mean", "min", "max"}


def _runs(path, **changes) -> list[dict]:
    options = {"provider": "cpu", "threads": [1], "batches": [1], "duration_s": 0.02} | changes
    return list(bench_model(path, **options))


@pytest.fixture(scope="module")
def run(color_model) -> dict:
    (only,) = _runs(color_model, batches=[4])
    return only


def test_run_has_the_fields_of_the_contract(run) -> None:
    assert list(run) == [
        "scenario", "provider_asked", "provider_used", "threads", "batch", "n",
        "preprocess_ms", "inference_ms", "total_ms", "throughput_per_s", "peak_rss_mb",
    ]  # fmt: skip
    for part in ("preprocess_ms", "inference_ms", "total_ms"):
        assert set(run[part]) == FIGURES
    assert (run["scenario"], run["provider_asked"], run["provider_used"]) == (
        "single-stream",
        "cpu",
        "cpu",
    )
    assert (run["threads"], run["batch"]) == (1, 4)
    assert run["n"] >= 10


def test_figures_of_a_run_fit_together(run) -> None:
    for part in ("preprocess_ms", "inference_ms", "total_ms"):
        figures = run[part]
        ordered = [figures[k] for k in ("min", "p50", "p90", "p95", "p99", "max")]
        assert ordered == sorted(ordered)
        assert figures["min"] <= figures["mean"] <= figures["max"]
    parts = run["preprocess_ms"]["mean"] + run["inference_ms"]["mean"]
    assert run["total_ms"]["mean"] == pytest.approx(parts, abs=0.003)
    assert run["throughput_per_s"] == pytest.approx(
        run["batch"] * 1000 / run["total_ms"]["mean"], rel=0.02
    )


def test_each_combination_is_a_run_in_order(color_model) -> None:
    runs = _runs(color_model, threads=[1, 2], batches=[1, 3])
    assert [(run["threads"], run["batch"]) for run in runs] == [(1, 1), (1, 3), (2, 1), (2, 3)]


def test_times_are_those_of_preprocessing_and_inference(color_model, monkeypatch) -> None:
    clock = [0.0]

    def prepare(frame, spec, box):
        clock[0] += 0.002
        return real_prepare(frame, spec, box)

    def infer(self, images):
        clock[0] += 0.010
        return real_infer(self, images)

    real_prepare, real_infer = bench.preprocess, bench.Session.run
    monkeypatch.setattr(bench, "preprocess", prepare)
    monkeypatch.setattr(bench.Session, "run", infer)
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock[0])
    (run,) = _runs(color_model, batches=[5], duration_s=1.0)
    assert run["preprocess_ms"]["p50"] == pytest.approx(10)
    assert run["inference_ms"]["p99"] == pytest.approx(10)
    assert run["total_ms"]["max"] == pytest.approx(20)
    assert run["throughput_per_s"] == pytest.approx(250)
    assert run["n"] == pytest.approx(50, abs=1)


def test_warm_up_is_not_counted(color_model, monkeypatch) -> None:
    clock, ran = [0.0], []

    def infer(self, images):
        clock[0] += 1.0 if len(ran) < 10 else 0.010  # the first ones are slow, as on a GPU
        ran.append(images)
        return real(self, images)

    real = bench.Session.run
    monkeypatch.setattr(bench.Session, "run", infer)
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock[0])
    (run,) = _runs(color_model, duration_s=0.5)
    assert run["inference_ms"]["max"] == pytest.approx(10)
    assert run["n"] < len(ran)


def test_model_for_faces_is_benched_on_a_face_of_a_frame(face_model) -> None:
    (run,) = _runs(face_model)
    assert run["batch"] == 1


def test_report_names_machine_and_model(color_model, run) -> None:
    report = describe_bench(color_model, [run])
    card = load_model_file(color_model).card
    assert list(report) == ["schema", "machine", "model", "runs"]
    assert report["schema"] == 1
    assert list(report["machine"]) == [
        "cpu", "cores", "flags", "os", "python", "onnxruntime", "opencv",
    ]  # fmt: skip
    assert report["model"] == {
        "name": "colors",
        "sha256": card.sha256,
        "precision": "fp32",
        "bytes": color_model.stat().st_size,
    }
    assert json.loads(json.dumps(report)) == report


def test_unknown_provider_is_refused(color_model) -> None:
    with pytest.raises(OptionError, match="provider abacus: not known"):
        _runs(color_model, provider="abacus")
