"""`edge-infer serve`: the device's side of the line."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from edge_infer.commands.found_board import (
    board_option,
    board_title,
    board_to_open,
    shown_board,
    tell_lacks,
)
from edge_infer.commands.marker import check_marker, marker_option, open_marker
from edge_infer.commands.options import option
from edge_infer.commands.render import say, warn
from edge_infer.firmware_bridge.errors import LinkError
from edge_infer.firmware_bridge.port import DEFAULT_BAUD

if TYPE_CHECKING:  # loaded when it serves: its help needs no engine and no cryptography
    from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
    from edge_infer.firmware_bridge.device.mlperf_tiny import MlperfTiny
    from edge_infer.firmware_bridge.device.operators import OperatorSettings
    from edge_infer.firmware_bridge.device.server import LineProtocol

DEFAULT_STATE = Path("/var/lib/edge-infer")
_END_S = 0.75
"""Whatever it does, it ends so soon after a signal: within a second on a busy computer too."""


@click.command("serve", short_help="Be the device: serve bundles and power on a serial line.")
@option("-p", "--port", required=True, help="Serial port, or socket://HOST:PORT to listen on.")
@option("-b", "--baud", type=click.IntRange(50, 20_000_000), default=DEFAULT_BAUD,
        show_default=True, help="Bits per second of a serial port.")  # fmt: skip
@board_option
@option("--policy", default="performance", show_default=True, help="Clock policy of the bundle.")
@option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE,
    show_default=True,
    help="Folder of the slots, for its owner alone: who can write there decides what runs.",
)
@option(
    "--trust",
    type=click.Path(path_type=Path, exists=True),
    help="Public key, or folder of them, whose bundles are accepted.",
)
@option(
    "--operators",
    type=click.Path(path_type=Path, exists=True),
    help="Public key, or folder of them, whose owners may change something where a key is "
    "required. Keys of their own: none that signs bundles.",
)
@option("--require-key", is_flag=True,
        help="On this line too, change nothing without an operator's key.")  # fmt: skip
@option("--allow-remote", is_flag=True,
        help="Listen where other computers can connect; who changes something needs an operator's "
        "key then.")  # fmt: skip
@option("--allow-unsigned", is_flag=True, help="For development: accept unsigned bundles too.")
@option(
    "--confirm-after",
    type=click.IntRange(1),
    help="Confirm a bundle on trial after so many inferences.  [default: wait for the host]",
)
@option(
    "--protocol",
    type=click.Choice(["smp", "text", "mlperf-tiny"]),
    default="smp",
    show_default=True,
    help="What is spoken: SMP, the power log as text, or MLPerf Tiny's protocol.",
)
@option("--bundle", help="Bundle that mlperf-tiny runs.")
@option("--model", default="ic01", show_default=True, help="Model name that mlperf-tiny tells.")
@marker_option
@click.pass_context
def serve_command(
    ctx: click.Context,
    port: str,
    baud: int,
    board: str,
    policy: str,
    state: Path,
    trust: Path | None,
    operators: Path | None,
    require_key: bool,
    allow_remote: bool,
    allow_unsigned: bool,
    confirm_after: int | None,
    protocol: str,
    bundle: str | None,
    model: str,
    marker: str | None,
) -> None:
    """Run bundles that are flashed over a line, and tell about them, until interrupted.

    Who reaches the line may read and, unless a key is required, flash, run and reset. Serial lines
    and addresses of this computer are open; an address that others reach needs --allow-remote, and
    then an operator's key (--operators) for whatever changes something. Nothing on the line is
    encrypted: across a network use ssh's port forwarding, ssh -L 5001:127.0.0.1:5001 BOARD.

    On a TCP port four clients are served at once. One that was quiet for 5 s makes place for one
    that waits; if none was, after 5 s the one served longest does.
    """
    from edge_infer.firmware_bridge.device.device import DeviceSettings
    from edge_infer.firmware_bridge.device.port_opener import port_opener
    from edge_infer.firmware_bridge.device.server import Server, notified
    from edge_infer.firmware_bridge.device.text_mode import TextMode

    remote = _checked_remote(port, protocol, allow_remote)
    board = board_to_open(ctx, board)
    if require_key and operators is None:
        raise click.UsageError("--require-key needs --operators, the keys that count")
    with _ending() as on_signal, ExitStack() as stack:
        # What it writes decides what runs, or is secret.
        stack.callback(os.umask, os.umask(0o077))
        served: LineProtocol
        another: Callable[[], LineProtocol] | None = None
        if protocol == "mlperf-tiny":
            if bundle is None:
                raise click.UsageError("--protocol mlperf-tiny needs --bundle")
            served = stack.enter_context(_mlperf(bundle, board, policy, model, marker))
        else:
            # The worker drives it; a bundle is not to be reverted for a line that is not there.
            check_marker(marker, board)
            settings = DeviceSettings(
                state, board, policy, confirm_after or 0, allow_unsigned, marker
            )
            known = _operators(operators, require_key or remote)
            device = stack.enter_context(_device(settings, trust, known))
            served = TextMode(device) if protocol == "text" else device
            another = device.another_line if served is device else lambda: TextMode(device)
        opener = port_opener(port, baud, allow_remote=allow_remote)
        server = Server(notified(served), opener, another)
        on_signal.append(server.stop)
        if remote:
            _warn_remote(opener.name, operators)
        if shown_board(board) != board:
            say(f"board: {board_title(board)}")
        say(f"serving {protocol} on {opener.name}")
        server.run()


def _checked_remote(port: str, protocol: str, allowed: bool) -> bool:
    """Return True when other computers can reach the port. Raises click.UsageError."""
    from edge_infer.firmware_bridge.device.port_opener import is_remote

    if not is_remote(port):
        return False
    if not allowed:
        raise click.UsageError(
            f"{port} can be reached from other computers: listen on socket://127.0.0.1:PORT and "
            "use ssh's port forwarding, or give --allow-remote and --operators"
        )
    if protocol == "mlperf-tiny":
        raise click.UsageError(
            "mlperf-tiny knows no keys: listen on socket://127.0.0.1:PORT and use ssh's port "
            "forwarding"
        )
    return True


def _warn_remote(name: str, operators: Path | None) -> None:
    who = "who has an operator's key can" if operators else "nobody can, without --operators,"
    warn(f"{name}: whoever reaches it can read; {who} change something; nothing is encrypted")


def _operators(path: Path | None, required: bool) -> "OperatorSettings":
    from edge_infer.firmware_bridge.device.operators import OperatorSettings
    from edge_infer.firmware_bridge.image.keys import TrustedKeys

    return OperatorSettings(TrustedKeys.load(path) if path else TrustedKeys(), required)


@contextmanager
def _device(
    settings: "DeviceSettings", trust: Path | None, operators: "OperatorSettings"
) -> "Iterator[Device]":
    from edge_infer.firmware_bridge.device.device import Device
    from edge_infer.firmware_bridge.image.keys import TrustedKeys

    if trust is None and not settings.allow_unsigned:
        raise click.UsageError(
            "name the keys to --trust (make one: edge-infer bundle keygen), or --allow-unsigned"
        )
    keys = TrustedKeys.load(trust) if trust else TrustedKeys()
    try:
        device = Device(settings, keys, operators=operators)
    except OSError as error:
        where = error.filename or settings.state_folder
        raise LinkError(f"cannot use {where}: {error.strerror}; see --state") from error
    try:
        yield device
    finally:
        device.close()


@contextmanager
def _mlperf(
    bundle: str, board: str, policy: str, model: str, marker: str | None
) -> "Iterator[MlperfTiny]":
    from edge_infer.boards import open_board
    from edge_infer.firmware_bridge.device.mlperf_tiny import MlperfTiny, input_dtype
    from edge_infer.models_tflite import open_bundle
    from edge_infer.models_tflite.frame_spec import FrameSpec
    from edge_infer.runtime.engine import Engine

    opened = open_bundle(bundle)
    with ExitStack() as stack:
        place = stack.enter_context(open_board(board))
        tell_lacks(place)
        line = open_marker(stack, marker, board)
        engine = stack.enter_context(Engine(opened, place, policy=policy, marker=line))
        vendor = f"edge-infer {place.name}"
        now_ns = place.timebase.now_ns
        spec = FrameSpec.of(opened)
        if input_dtype(spec, model) != spec.dtype:
            warn(f"the bytes of db are taken as int8 and shifted by 128, as {model} has them")
        yield MlperfTiny(engine, spec, model, vendor, now_ns)


@contextmanager
def _ending() -> Iterator[list[Callable[[], None]]]:
    """Let Ctrl-C and SIGTERM end what stands in the list, so that everything is put back.

    Before there is something in the list they mean what they meant. Where the end does not come
    in time, whatever keeps it, a thread ends the process: Python tells it of the signal even when
    no handler gets its turn. Once one came, the process ends, and further ones say nothing new.
    """
    on_signal: list[Callable[[], None]] = []
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    came = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = bool(on_signal)
        for end in on_signal:
            end()
        if not on_signal and callable(before := found[signal.Signals(number)]):
            before(number, frame)

    ended = threading.Event()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writing, False)
    thread = threading.Thread(target=_end_hard, args=(reading, ended), daemon=True)
    thread.start()
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in found:
        signal.signal(number, stop)
    try:
        yield on_signal
    finally:
        ended.set()
        for number, handler in found.items():
            # Python itself, on its way out, would have a further one kill it.
            signal.signal(number, signal.SIG_IGN if came else handler)
        if not came:
            signal.set_wakeup_fd(woken)
            os.close(writing)


def _end_hard(reading: int, ended: threading.Event) -> None:
    """End the process some time after a signal, be it with what is left to take apart."""
    numbers = os.read(reading, 1)
    if numbers:
        # The pipe stays open: Python complains of a further signal that it cannot write.
        time.sleep(_END_S)
        os._exit(0 if ended.is_set() else 128 + numbers[0])
    os.close(reading)
