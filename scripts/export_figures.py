"""Tables of `python -m benchmarks export`, for docs/models.md."""

from __future__ import annotations

from typing import Any


def naive(result: dict[str, Any]) -> list[str]:
    """Return the table of what int8 costs networks, unasked and exported."""
    lines = [
        f"What int8 costs, points of accuracy on test beside fp32 (`{result['command']}`): as "
        "onnxruntime's quantizer does it with nothing set, one scale for all channels of a layer's "
        "weights, and as `python -m export` does.",
        "",
        "| network | fp32 | n | unasked | agrees with fp32 | exported | agrees | bytes of fp32 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for title, said in result["networks"].items():
        fp32, unasked, ours = said["fp32"], said["naive"], said["int8"]
        told = (
            f"refused: {ours['refused']} | | |"
            if "refused" in ours
            else f"**{ours['points']:+.2f}** | {ours['agreement_with_fp32']:.1%} | "
            f"{ours['bytes'] / fp32['bytes']:.2f} |"
        )
        lines.append(
            f"| {title} | {fp32['accuracy']:.1%} | {fp32['n']:,} | {unasked['points']:+.2f} | "
            f"{unasked['agreement_with_fp32']:.1%} | {told}"
        )
    return [*lines, ""]


def engines(result: dict[str, Any]) -> list[str]:
    """Return the table of the same weights in int8 by other engines."""
    versions = ", ".join(f"{name} {v}" for name, v in result["engines"]["versions"].items())
    lines = [
        f"The same weights in int8 by other engines, one picture on one thread, in turns "
        f"({versions}; {result['machine']['cpu']}). OpenVINO reads the exported file, LiteRT (with "
        "XNNPACK) what its own converter makes of the Keras model with the same photos.",
        "",
        "| model | engine | latency | of onnxruntime's (5% to 95%) | answers as onnxruntime |",
        "|---|---|---|---|---|",
    ]
    for model, told in result["engines"]["models"].items():
        for engine, taken in told["latency_ms"].items():
            ratio = told["ratio"].get(f"{engine} / onnxruntime")
            beside = (
                f"{ratio['median']:.2f} ({ratio['p5']:.2f} to {ratio['p95']:.2f})" if ratio else "1"
            )
            agrees = told["agreement_with_onnxruntime"].get(engine)
            alike = f"{agrees:.1%} of {told['n']}" if agrees is not None else ""
            lines.append(f"| {model} | {engine} | {taken['p50']:.2f} ms | {beside} | {alike} |")
    return [*lines, ""]
