"""Answer a bundle's samples on a simulated board: how many are right, and what each one costs."""

from edge_infer import Engine, open_board, open_bundle, open_samples

bundle = open_bundle("digits-early-exit")
right = answered = net_nj = 0
with open_board("sim:raspberry-pi-5") as board, Engine(bundle, board, policy="powersave") as engine:
    for record in engine.stream(open_samples(bundle)):
        answered += 1
        right += record.correct is True
        net_nj += record.energy.net_nj if record.energy else 0
print(f"{right} of {answered} right, {net_nj // answered} nJ net each")
