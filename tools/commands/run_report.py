"""The report of a run, for people."""

from typing import Any

from edge_infer.commands.quantities import energy_text, share_text, time_text
from edge_infer.commands.render import table
from edge_infer.models_tflite.manifest import FULL_RATIO

LEAST_SHARE = 0.0005
"""A clock that was in force for less is left out: it would print as 0.0 %."""


def run_report(document: dict[str, Any]) -> str:
    """Return the document of `run --json` as text."""
    blocks = [_heading(document), _exits(document), _facts(document)]
    if document["answers"]:
        from edge_infer.commands.answer_lines import answers_table  # many inputs are summed up

        blocks.insert(0, answers_table(document["answers"]))
    if document["interrupted"]:
        blocks.append("interrupted: what ran until then is above, the clock is put back")
    return "\n\n".join(blocks)


def _heading(document: dict[str, Any]) -> str:
    bundle, backend = document["bundle"], document["backend"]
    return (
        f"{bundle['name']} {bundle['version']} on {document['board']}, "
        f"policy {document['policy']}, {backend['name']} {backend['version']} "
        f"({backend['resolver']}, {backend['arch']})"
    )


def _exits(document: dict[str, Any]) -> str:
    total = document["inferences"]
    with_energy = document["energy"] is not None
    rows = []
    for name, count in document["exits"].items():
        exit_ = document["per_exit"][name]
        row = [
            name,
            str(count),
            share_text(count / total if total else None),
            share_text(exit_["accuracy"], 2),
            time_text(exit_["mean_busy_us"]),
        ]
        net, width = energy_text(exit_["mean_net_uj"]), exit_["net_uncertainty_uj"]
        net += "" if width is None else f" +- {energy_text(width)}"
        rows.append(row + [net] * with_energy)
    heading = ["exit", "frames", "share", "accuracy", "mean time"]
    return table(rows, heading + ["net energy"] * with_energy)


def _facts(document: dict[str, Any]) -> str:
    facts = [
        ("accuracy", f"{share_text(document['accuracy'], 2)} of {document['inferences']} frames"),
        ("latency", _latency(document)),
        ("deadline", _deadline(document["deadline"], document["inferences"])),
        *_energy(document["energy"]),
        *_budget(document["budget"], document["calibration"]),
        ("clock", _clock(document)),
        ("overhead", _overhead(document)),
        *_board(document["board_state"]),
    ]
    if set(document["ratios"]) - {FULL_RATIO}:
        counts = (f"{ratio} {count}" for ratio, count in document["ratios"].items())
        facts.append(("ratio", ", ".join(counts) + " frames"))
    if document["calibration"] is not None:
        facts.append(("governor", _governor(document["calibration"])))
    if document["simulated"]:
        facts.append(("model", _model(document)))
    if document["input"]["done"] or document["input"]["left_out"]:
        facts.append(("input", input_text(document["input"])))
    facts += _steady(document)
    if document["input_shift"] is not None and document["inferences"]:
        facts.append(("calibration", document["input_shift"]["text"]))
    facts += [("sink", _sink(sink)) for sink in document["sinks"]]
    if document["skipped"]:
        facts.append(("skipped", f"{len(document['skipped'])} inputs, named above"))
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in facts)


def input_text(read: dict[str, Any]) -> str:
    """Return what was done to an input and what of it was left out."""
    done = [f"{count} {what}" if count else what for what, count in read["done"].items()]
    left_out = [f"{count} {what}" for what, count in read["left_out"].items()]
    parts = [read["kind"], *done]
    return ", ".join(parts) + (f"; left out: {', '.join(left_out)}" if left_out else "")


def _steady(document: dict[str, Any]) -> list[tuple[str, str]]:
    gate, smooth, facts = document["gate"], document["smooth"], []
    if gate is not None:
        told = f"{gate['gated']} frames ({share_text(gate['share'])}) answered without the net"
        facts.append(("gate", f"{told}: at most {gate['threshold']:g} grey levels from the last"))
    if smooth is not None:
        told = f"{smooth['changed']} answers ({share_text(smooth['share'])}) changed to those that"
        told += f" {smooth['agree']} of the last {smooth['of']} frames agreed on"
        facts.append(("smooth", told))
    return facts


def _sink(sink: dict[str, Any]) -> str:
    dropped = f", {sink['dropped']} dropped" if sink["dropped"] else ""
    error = f": {sink['error']}" if sink["error"] else ""
    cost = f" ({time_text(sink['cpu_us'])} of processor time)" if sink["cpu_us"] else ""
    return f"{sink['name']}: {sink['written']} answers{dropped}{error}{cost}"


def _governor(state: dict[str, Any]) -> str:
    if not state["solutions"]:
        return "the run ended before its first plan was solved: the fastest clock all along"
    solved = f"{state['solutions']} plan{'s' * (state['solutions'] != 1)} solved"
    text = f"{solved}, the board takes {state['slowdown']:.2f} times its table's times"
    if state["budget_pressure"] is not None:
        text += f", {share_text(state['budget_pressure'], 0)} of what the budget may press"
    return text


def _model(document: dict[str, Any]) -> str:
    if not document["synthetic"]:
        return "time and power computed from published figures: edge-infer boards show"
    return (
        "time and power computed, in part from figures that nobody published (synthetic): "
        "edge-infer boards show"
    )


def _latency(document: dict[str, Any]) -> str:
    times = ", ".join(f"{name} {time_text(us)}" for name, us in document["latency_us"].items())
    decoding = document["decoding_us"]
    apart = "" if decoding is None else f" ({time_text(decoding)} a frame)"
    return f"{times}: mean time and the wait before it; reading and decoding apart{apart}"


def _deadline(deadline: dict[str, Any], inferences: int) -> str:
    dropped = f", {deadline['dropped']} frames dropped" if deadline["dropped"] else ""
    if deadline["us"] is None:
        return f"none{dropped}"
    share = share_text(deadline["misses"] / inferences if inferences else None, 2)
    return f"{time_text(deadline['us'])}: {deadline['misses']} missed ({share}){dropped}"


def _energy(energy: dict[str, Any] | None) -> list[tuple[str, str]]:
    if energy is None:
        return [("energy", "unknown: this board has neither a meter nor a cost table")]
    net = energy_text(energy["net_uj_per_inference"])
    if energy["net_uncertainty_uj"] is not None:
        net += f" +- {energy_text(energy['net_uncertainty_uj'])}"
    wall_s = energy["wall_us"] / 1e6
    return [
        (
            "net energy",
            f"{net} an inference ({energy['origin']}; whole board less "
            f"{energy['idle_reference_mw'] / 1000:.3f} W idle)",
        ),
        (
            "gross energy",
            f"{energy_text(energy['gross_uj_per_inference'])} an inference, waits included: "
            f"{energy['gross_uj'] / 1e6:.2f} J in {wall_s:.2f} s, "
            f"{energy['gross_uj'] / 1e6 / wall_s:.3f} W"
            if wall_s
            else "nothing ran",
        ),
        (
            "meter",
            f"{energy['samples']} samples, {energy['lost_samples']} lost, "
            f"{share_text(energy['apportioned_share'], 0)} of the inferences' energy apportioned",
        ),
    ]


def _budget(
    budget: dict[str, Any] | None, governor: dict[str, Any] | None
) -> list[tuple[str, str]]:
    if budget is None:
        return []
    told = f"{budget['budget_mw'] / 1000:g} W: "
    if budget["mean_mw"] is None:
        return [("budget", f"{told}nothing says what was drawn, so not whether it was kept")]
    drawn = f"{budget['mean_mw'] / 1000:.3f} W drawn"
    if budget["kept"]:
        return [("budget", f"{told}kept, {drawn}")]
    over = f"{budget['over_percent']:.1f} % over"
    pressed = governor is not None and (governor["budget_pressure"] or 0) >= 1
    mend = "fewer frames (--rate) or a greater budget"
    mend = mend if pressed else f"more time (--duration), {mend}"
    return [("budget", f"{told}missed, {drawn}, {over}: give {mend}")]


def _board(state: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return what the board lacks, and what went wrong with it in the run."""
    if state is None:
        return []
    missing = [("board", text) for text in state["missing"]]
    return missing + [("warning", text) for text in state["warnings"]]


def _clock(document: dict[str, Any]) -> str:
    state = document["board_state"]
    if state is not None and state["kernel_governor"] is not None:
        ran = state["running_khz"].items()
        shares = [f"{int(khz) / 1000:g} MHz {share_text(share)}" for khz, share in ran]
        return f"left to the kernel ({state['kernel_governor']}): {', '.join(shares)}"
    shares = [
        f"{int(khz) / 1000:g} MHz {share_text(share)}" if int(khz) else "not known"
        for khz, share in document["frequency_residency"].items()
        if share >= LEAST_SHARE
    ]
    switches = f"{document['switches']} switch{'es' * (document['switches'] != 1)}"
    return f"{', '.join(shares) or 'nothing ran'}; {switches}"


def _overhead(document: dict[str, Any]) -> str:
    overhead = document["overhead_us"]
    if overhead["p50"] is None:
        return "not known here"
    origin = "modelled" if document["simulated"] else "measured"
    return (
        f"p50 {time_text(overhead['p50'])}, p95 {time_text(overhead['p95'])} of an inference is "
        f"runtime and decision ({origin})"
    )
