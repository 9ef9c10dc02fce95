import platform
import types

import pytest

from edge_runtime.measure import machine
from edge_runtime.measure.machine import cpu_kind, describe_machine, peak_rss_mb


def test_machine_is_described_by_the_contracts_fields() -> None:
    found = describe_machine()
    assert list(found) == ["cpu", "cores", "flags", "os", "python", "onnxruntime", "opencv"]
    assert found["python"] == platform.python_version()
    assert found["cores"] >= 1
    assert found["cpu"]


def test_versions_are_those_that_are_imported() -> None:
    import cv2
    import onnxruntime

    found = describe_machine()
    assert found["onnxruntime"] == onnxruntime.__version__
    assert found["opencv"].startswith(cv2.__version__)


def test_library_that_is_missing_is_said(monkeypatch) -> None:
    def nothing(package: str) -> str:
        raise machine.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(machine.metadata, "version", nothing)
    monkeypatch.delitem(machine.sys.modules, "onnxruntime", raising=False)
    assert describe_machine()["onnxruntime"] == "not installed"


def test_vendors_build_tells_its_own_version(monkeypatch) -> None:
    vendors = types.SimpleNamespace(__version__="1.24.0-jetson")
    monkeypatch.setitem(machine.sys.modules, "onnxruntime", vendors)
    assert describe_machine()["onnxruntime"] == "1.24.0-jetson"


@pytest.mark.parametrize(
    ("architecture", "flags", "kind"),
    [
        ("x86_64", {"avx2", "sse4_2"}, "x86_64-plain"),
        ("x86_64", {"avx2", "avx512_vnni"}, "x86_64-vnni"),
        ("x86_64", {"avx2", "avx_vnni"}, "x86_64-vnni"),
        ("AMD64", {"amx_int8"}, "amd64-vnni"),
        ("aarch64", {"asimd"}, "aarch64-plain"),
        ("aarch64", {"asimd", "asimddp"}, "aarch64-dotprod"),
        ("aarch64", {"i8mm"}, "aarch64-dotprod"),
    ],
    ids=["avx2", "avx512 vnni", "avx vnni", "amx", "a72", "a76", "i8mm"],
)
def test_cpu_kind_is_how_it_multiplies_int8(monkeypatch, architecture, flags, kind) -> None:
    monkeypatch.setattr(machine, "_cpu", lambda: ("some cpu", frozenset(flags)))
    monkeypatch.setattr(machine.platform, "machine", lambda: architecture)
    assert cpu_kind() == kind


def test_only_flags_that_matter_for_int8_are_named(monkeypatch) -> None:
    flags = frozenset({"fpu", "avx2", "avx512f", "sse"})
    monkeypatch.setattr(machine, "_cpu", lambda: ("some cpu", flags))
    assert describe_machine()["flags"] == ["avx2", "avx512f"]


def test_peak_memory_counts_what_was_held() -> None:
    before = peak_rss_mb()
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert 10 < before <= peak_rss_mb() < 100_000
    assert peak_rss_mb() >= 64
