"""Frames at a steady rate, each due before the next: clocks planned stage by stage.

The planner's governor takes the cost table of the board and the bundle's exit predictor; it keeps
the share of late frames at or below 1 % for as little energy as it can.
"""

from edge_infer import (
    Engine,
    EventLoop,
    Periodic,
    RunSummary,
    open_board,
    open_bundle,
    open_samples,
)

RATE_HZ = 5_000
DEADLINE_NS = 1_000_000_000 // RATE_HZ

bundle, arrivals = open_bundle("digits-early-exit"), Periodic(RATE_HZ)
for policy in ("performance", "planned"):
    with (
        open_board("sim:raspberry-pi-5") as board,
        Engine(bundle, board, policy=policy, deadline_ns=DEADLINE_NS, arrivals=arrivals) as engine,
    ):
        summary = RunSummary(engine.exit_names)
        EventLoop(
            engine, board.timebase, open_samples(bundle), arrivals, summary.add,
            deadline_ns=DEADLINE_NS, max_frames=5_000,
        ).run()  # fmt: skip
        energy = engine.energy()
    assert energy is not None  # a simulated board has a meter
    print(
        f"{policy}: {summary.misses} of {summary.inferences} late, "
        f"{energy.net_nj / summary.inferences / 1000:.1f} uJ net an inference ({energy.origin})"
    )
