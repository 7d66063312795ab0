"""`edge-infer serve`: the device's side of the line."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from edge_infer.commands.options import option
from edge_infer.firmware_bridge.errors import LinkError
from edge_infer.firmware_bridge.port import DEFAULT_BAUD

if TYPE_CHECKING:  # loaded when it serves: its help needs no engine and no cryptography
    from edge_infer.firmware_bridge.device.device import Device, DeviceSettings
    from edge_infer.firmware_bridge.device.mlperf_tiny import MlperfTiny
    from edge_infer.firmware_bridge.device.server import LineProtocol, Server

DEFAULT_STATE = Path("/var/lib/edge-infer")


@click.command("serve", short_help="Be the device: serve bundles and power on a serial line.")
@option("-p", "--port", required=True, help="Serial port, or socket://HOST:PORT to listen on.")
@option("-b", "--baud", type=click.IntRange(50), default=DEFAULT_BAUD, show_default=True,
        help="Bits per second of a serial port.")  # fmt: skip
@option("--board", default="host", show_default=True, help="Board; sim:NAME for a simulated one.")
@option("--policy", default="performance", show_default=True, help="Clock policy of the bundle.")
@option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE,
    show_default=True,
    help="Folder of the slots.",
)
@option(
    "--trust",
    type=click.Path(path_type=Path, exists=True),
    help="Public key, or folder of them, whose bundles are accepted.",
)
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
def serve_command(
    port: str,
    baud: int,
    board: str,
    policy: str,
    state: Path,
    trust: Path | None,
    allow_unsigned: bool,
    confirm_after: int | None,
    protocol: str,
    bundle: str | None,
    model: str,
) -> None:
    """Run bundles that are flashed over a line, and tell about them, until interrupted."""
    from edge_infer.firmware_bridge.device.device import DeviceSettings
    from edge_infer.firmware_bridge.device.server import Server, notified, port_opener
    from edge_infer.firmware_bridge.device.text_mode import TextMode

    with ExitStack() as stack:
        served: LineProtocol
        if protocol == "mlperf-tiny":
            if bundle is None:
                raise click.UsageError("--protocol mlperf-tiny needs --bundle")
            served = stack.enter_context(_mlperf(bundle, board, policy, model))
        else:
            settings = DeviceSettings(state, board, policy, confirm_after or 0, allow_unsigned)
            device = stack.enter_context(_device(settings, trust))
            served = TextMode(device) if protocol == "text" else device
        opener = port_opener(port, baud)
        click.echo(f"serving {protocol} on {opener.name}", err=True)
        server = Server(notified(served), opener)
        with _until_interrupted(server):
            server.run()


@contextmanager
def _device(settings: "DeviceSettings", trust: Path | None) -> "Iterator[Device]":
    from edge_infer.firmware_bridge.device.device import Device
    from edge_infer.firmware_bridge.image.keys import TrustedKeys

    if trust is None and not settings.allow_unsigned:
        raise click.UsageError(
            "name the keys to --trust (make one: edge-infer bundle keygen), or --allow-unsigned"
        )
    keys = TrustedKeys.load(trust) if trust else TrustedKeys()
    try:
        device = Device(settings, keys)
    except OSError as error:
        where = error.filename or settings.state_folder
        raise LinkError(f"cannot use {where}: {error.strerror}; see --state") from error
    try:
        yield device
    finally:
        device.close()


@contextmanager
def _mlperf(bundle: str, board: str, policy: str, model: str) -> "Iterator[MlperfTiny]":
    from edge_infer.boards import open_board
    from edge_infer.firmware_bridge.device.mlperf_tiny import MlperfTiny
    from edge_infer.models_tflite import open_bundle
    from edge_infer.runtime.engine import Engine
    from edge_infer.runtime.frames.spec import FrameSpec

    opened = open_bundle(bundle)
    with open_board(board) as place, Engine(opened, place, policy=policy) as engine:
        vendor = f"edge-infer {place.name}"
        now_ns = place.timebase.now_ns
        yield MlperfTiny(engine, FrameSpec.of(opened), model, vendor, now_ns)


@contextmanager
def _until_interrupted(server: "Server") -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the server, so that everything is put back."""

    def stop(number: int, frame: FrameType | None) -> None:
        server.stop()

    found = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in found.items():
            signal.signal(number, handler)
