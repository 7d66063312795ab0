"""The text of `edge-infer reproduce big-little --imagenet`."""

from collections.abc import Mapping
from typing import Any

from edge_infer.commands.render import table

MOST = 12
"""Cascades and rules that the text names: those that save most within twice the loss allowed."""


def imagenet_report(found: Mapping[str, Any]) -> str:
    """Return the document's part `imagenet` as text."""
    left_out = f"{found['quantised_with']} more gave the nets' activation ranges and are left out"
    if found["unreadable"]:
        left_out += f", {found['unreadable']} cannot be read"
    heading = (
        f"ImageNet: {found['pictures']} pictures; {left_out}. {found['splits']} random halves: all "
        f"is chosen on one for a loss of {found['allowed_loss_points']:g} points, and read on the "
        f"other. {found['pictures'] // 2} pictures carry no promise of that: a loss on them "
        "scatters by about a point."
    )
    blocks = [heading, _nets(found["nets"]), *(_board(part, found) for part in found["boards"])]
    return "\n\n".join(blocks)


def _nets(nets: list[dict[str, Any]]) -> str:
    rows = [
        (
            net["net"],
            f"{net['macs'] / 1e6:.0f}",
            f"{net['accuracy_percent']:.2f} %",
            "-" if net["accuracy_50k_percent"] is None else f"{net['accuracy_50k_percent']:.2f} %",
        )
        for net in nets
    ]
    return table(rows, ("net", "MMAC", "accuracy here", "published, on all 50,000"))


def _board(part: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    saving, loss = part["saving_percent"], part["loss_points"]
    low, high = saving["interval"]
    least, most = loss["interval"]
    lines = [
        f"{part['board']} ({part['origin']}; {part['basis']})",
        f"{saving['mean']:.1f} % of the big net's net energy saved (90 % over pictures: {low:.1f} "
        f"to {high:.1f}) at {loss['mean']:.2f} points ({least:.2f} to {most:.2f})",
        f"static net of equal accuracy: {part['best_static']}; "
        f"{part['saving_vs_best_static_percent']:.1f} % saved against it. Not shown to be less "
        f"accurate (5 %): {part['best_static_by_paired_test']}; "
        f"{part['saving_vs_best_static_by_paired_test_percent']:.1f} %",
    ]
    if part["between_measured_sizes"]:
        lines.insert(1, f"between measured sizes: {', '.join(part['between_measured_sizes'])}")
    picked = [
        (" > ".join(one["nets"]), one["rule"], str(one["splits"])) for one in part["picked"][:MOST]
    ]
    tried = [
        (" > ".join(one["nets"]), one["rule"], f"{one['saving_percent']:.1f} %",
         f"{one['loss_points']:.2f}")
        for one in _worth_telling(part["tried"], 2 * found["allowed_loss_points"])
    ]  # fmt: skip
    curve = [
        tuple(f"{point[key]:.2f}" for key in ("allowed_points", "loss_points", "saving_percent"))
        for point in part["curve"]
    ]
    return "\n\n".join(
        [
            "\n".join(lines),
            table(curve, ("points allowed", "points lost", "% saved")),
            table(picked, ("chosen", "rule", "splits")),
            table(tried, ("each alone", "rule", "saved", "points lost")),
        ]
    )


def _worth_telling(tried: list[dict[str, Any]], most_points: float) -> list[dict[str, Any]]:
    fit = [one for one in tried if one["loss_points"] <= most_points]
    return sorted(fit, key=lambda one: -float(one["saving_percent"]))[:MOST]
