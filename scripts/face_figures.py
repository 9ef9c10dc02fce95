"""Tables of `python -m benchmarks faces` and `sizes`, for docs/models.md."""

from __future__ import annotations

from typing import Any


def finding(result: dict[str, Any]) -> list[str]:
    """Return the tables of detectors: precision, false boxes, tilted heads, time, clips."""
    annotated, faceless = result["detection"]["annotated"], result["detection"]["faceless"]
    tilted, timed = result["tilted"], result["latency"]
    one, empty = next(iter(annotated.values())), next(iter(faceless.values()))
    lines = [
        f"Beside other detectors in one run (`{result['command']}`): {one['faces']} faces of "
        f"{one['counted_from_px']:g} px or more in {one['n']} photos, {empty['photos']['n']} "
        f"photos of cats and dogs and {empty['frames']['n']} frames without a face, "
        f"{next(iter(tilted.values()))['n']} portraits turned by up to 30 degrees, 640x480 on one "
        "thread. A face is sure, and may start a track, from the score in the third column on.",
        "",
        "| detector | AP | sure from | recall then | false boxes in photos | in frames | "
        "eyes off, median | latency | of YuNet's at 320 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in annotated.items():
        false, turned = faceless[name], tilted[name]
        lines.append(
            f"| {name} | {found['average_precision']:.4f} | {found['sure']:g} | "
            f"{found['recall_sure']:.1%} | {false['photos']['boxes']} | "
            f"{false['frames']['boxes']} | {_degrees(turned)} | "
            f"{_time(timed, name)} |"
        )
    for name, seen in result["clips"].items():
        lines += [
            "",
            f"In {len(seen['tracks'])} clips of one person each, {name} finds the face in "
            f"{seen['share']:.1%} of {seen['frames']} frames; most tracks in one clip: "
            f"{max(seen['tracks'].values())}.",
        ]
    return [*lines, ""]


def telling(result: dict[str, Any]) -> list[str]:
    """Return the tables of embeddings: pairs, few photos of people never seen, strangers."""
    who = result["identity"]
    one = next(iter(who.values()))
    pairs, held, orl, strangers = (one[k] for k in ("lfw_pairs", "held", "orl", "strangers"))
    lines = [
        f"Beside another embedding in one run (`{result['command']}`), on people ours never saw: "
        f"the {pairs['n']} pairs of LFW's eighth fold, the threshold from the {pairs['chosen_on']} "
        f"of the seventh; {held['people']} of the 94 people and ORL's {orl['people']}, "
        f"{held['enrolled']} photos of each enrolled and the others named among them: the first "
        f"ones, and drawn ones ({one['drawn']['held']['draws']} draws; in brackets the range that "
        "nine of ten are in).",
        "",
        f"| embedding | LFW pairs | the {held['people']} (n = {held['n']}), first | drawn "
        f"| ORL (n = {orl['n']}), first | drawn |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {_share(r['lfw_pairs'])} | "
            + " | ".join(f"{_share(r[k])} | {_drawn(r['drawn'][k])}" for k in ("held", "orl"))
            + " |"
            for name, r in who.items()
        ),
        "",
        f"Of the {held['people']}, named rightly where so many of "
        f"{strangers[0]['strangers']} photos of strangers are taken for one of them:",
        "",
        "| embedding | " + " | ".join(f"{r['false_accept']:.1%}" for r in strangers) + " |",
        "|---" * (1 + len(strangers)) + "|",
        *(
            f"| {name} | " + " | ".join(f"{row['named']:.1%}" for row in r["strangers"]) + " |"
            for name, r in who.items()
        ),
        "",
        "As shipped, with the threshold it takes by itself there: "
        + "; ".join(_default(name, r["default"]) for name, r in who.items() if "default" in r)
        + ".",
    ]
    return [*lines, ""]


def _default(name: str, said: dict[str, Any]) -> str:
    return (
        f"{name} names {said['named']:.1%} rightly and {said['named_wrongly']:.1%} wrongly, and "
        f"{said['strangers_named']:.1%} of the strangers (cosine {said['cosine']:.3f})"
    )


def sizes(result: dict[str, Any]) -> list[str]:
    """Return what the detector's weights do at other input sizes."""
    lines = [
        "The same weights at other input sizes, in int8 by the ladder's first rung, on val "
        f"(`{result['command']}`); latency is of a 640x480 frame, its shrinking included, which is "
        "quick where it is by half:",
        "",
        "| input | AP | latency | of the shipped size's |",
        "|---|---|---|---|",
    ]
    for name, found in result["detection"].items():
        lines.append(f"| {name} | {found['average_precision']:.4f} | {_time(result, name)} |")
    return [*lines, ""]


def _time(timed: dict[str, Any], name: str) -> str:
    """Return the cells of a latency and of its ratio to the one all are compared with."""
    ratio = next((v for k, v in timed["ratio"].items() if k.startswith(f"{name} /")), None)
    share = "1" if ratio is None else f"{ratio['median']:.2f}"
    return f"{timed['latency_ms'][name]['p50']:.1f} ms | {share}"


def _degrees(turned: dict[str, Any]) -> str:
    return "none found" if turned["median_deg"] is None else f"{turned['median_deg']:.1f}°"


def _drawn(report: dict[str, Any]) -> str:
    low, high = report["range"]
    return f"{report['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def _share(report: dict[str, Any]) -> str:
    low, high = report["interval"]
    return f"{report['accuracy']:.1%} ({low:.1%} to {high:.1%})"
