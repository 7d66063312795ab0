"""A bundle onto one board of a fleet: flashed, tried, confirmed, or taken back with its reason."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from edge_infer.firmware_bridge.errors import (
    DeviceRefusedError,
    LinkError,
    LinkLostError,
    LinkTimeoutError,
    RolledBackError,
    WrongBoardError,
)
from edge_infer.firmware_bridge.fleet.fleet_file import FleetBoard
from edge_infer.firmware_bridge.fleet.trial import TrialFigures, out_of_range, run_trial, take_back
from edge_infer.firmware_bridge.host.flashing import (
    START_NS,
    FlashReport,
    edge_info,
    flash,
    images,
    slot_of,
)
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.wire.edge import DeviceInfo
from edge_infer.firmware_bridge.wire.standard import NOT_CONFIRMED, SET_IMAGE_STATE, SetImageState

Tell = Callable[[str, float | None], None]
"""Called with the step of a board as it begins, and how much of it is done, 0 to 1, if known."""
_LOOK_EVERY_NS = 300_000_000
GONE = (LinkLostError, LinkTimeoutError)


class PowerCutError(RolledBackError):
    """The board was reset in the middle of its trial, and so went back: worth another try."""


class LostOnTrialError(LinkTimeoutError):
    """The board was gone once the new bundle had begun to run: perhaps because of it."""


@dataclass(frozen=True, slots=True)
class BoardFlashed:
    """What a flash came to on a board."""

    report: FlashReport
    figures: TrialFigures | None
    """None without a trial."""

    def document(self) -> dict[str, Any]:
        """Return it for a document."""
        figures = self.figures
        return {
            "sent_bytes": self.report.sent_bytes,
            "resent_chunks": self.report.resent_chunks,
            "reconnects": self.report.reconnects,
            "seconds": self.report.seconds,
            "inferences": figures.inferences if figures else 0,
            "net_uj_per_inference": figures and figures.net_uj,
            "energy_origin": figures and figures.origin,
            "exits": dict(figures.exits) if figures else {},
        }


class BoardFlash:
    """Flashes one bundle onto boards.

    Args:
        file: the bundle file.
        digest: its image's.
        good: inferences that a board must answer before it confirms; 0 for none.
        begun: called before a board is changed, with its name and the digest of the bundle that it
            can go back to, None where it has none.
    """

    def __init__(
        self,
        file: bytes,
        digest: bytes,
        good: int,
        begun: Callable[[str, bytes | None], None],
    ) -> None:
        self.file, self.digest, self._good, self._begun = file, digest, good, begun

    def __call__(self, link: Link, board: FleetBoard, tell: Tell) -> BoardFlashed:
        """Flash a board; it runs the new bundle for good, or the one before.

        Raises:
            WrongBoardError: it is of another profile than stated; nothing of it was changed, or it
                was taken back.
            RolledBackError, DeviceRefusedError: it does not run the bundle, with the reason.
            PowerCutError: it was reset in mid-trial; another try may do.
            LostOnTrialError: it is gone since the bundle began to run.
            LinkTimeoutError, LinkLostError: it is silent or gone.
        """
        tell("look", None)
        check_profile(started(link), board)
        entries = images(link)
        active = slot_of(entries, 0)
        runs = active is not None and active.digest == self.digest
        if active is not None and runs and active.confirmed:
            return BoardFlashed(flash(link, self.file), None)
        self._begun(board.name, next((e.digest for e in entries if e.digest != self.digest), None))
        progress = _Progress(tell, runs)
        try:
            report = flash(link, self.file, progress=progress.upload, say=progress.step)
            figures = self._tried(link, board, tell)
            tell("confirm", None)
            link.ask(SET_IMAGE_STATE, SetImageState(confirm=True))
            self._check_runs(link)
        except GONE as error:
            if progress.runs:
                raise LostOnTrialError(f"gone since the bundle was started: {error}") from error
            raise
        except RolledBackError as error:
            raise self._judged(link, error) from error
        return BoardFlashed(replace(report, confirmed=True), figures)

    def _tried(self, link: Link, board: FleetBoard, tell: Tell) -> TrialFigures | None:
        """Run the trial; whatever is wrong with it takes the bundle back."""
        try:
            check_profile(edge_info(link), board)
            if not self._good:
                return None
            tell("trial", None)
            figures = run_trial(link, self._good)
            self._check_runs(link)
            complaint = out_of_range(figures, board.expected)
            if complaint is not None:
                raise RolledBackError(complaint)
            return figures
        except GONE:
            raise
        except LinkError as error:
            raise self._taken_back(link, error) from error

    def _taken_back(self, link: Link, error: LinkError) -> LinkError:
        """Take the bundle back; return what is to be told of it."""
        try:
            take_back(link, self.digest, str(error))
        except DeviceRefusedError as refusal:
            kind = WrongBoardError if isinstance(error, WrongBoardError) else RolledBackError
            return kind(f"{error}; it runs on, unconfirmed: {refusal}")
        return error

    def _check_runs(self, link: Link) -> None:
        """Raise RolledBackError unless the new bundle is the one that runs."""
        active = slot_of(images(link), 0)
        if active is None or active.digest != self.digest:
            raise RolledBackError("the device went back to the bundle before")

    def _judged(self, link: Link, error: RolledBackError) -> LinkError:
        """Return what a rollback is: the bundle's fault, or a reset in the middle of its trial."""
        info = edge_info(link)
        if info is not None and info.revert is not None and info.revert.reason == NOT_CONFIRMED:
            return PowerCutError(f"reset in the middle of its trial: {error}")
        return error


class _Progress:
    """Passes on how far a flash is, and remembers whether the bundle was started."""

    def __init__(self, tell: Tell, runs: bool) -> None:
        self._tell = tell
        self.runs = runs

    def step(self, step: str) -> None:
        """A step begins."""
        self.runs |= step == "reset"
        self._tell(step, None)

    def upload(self, done: int, total: int) -> None:
        """So much was sent."""
        self._tell("upload", done / total)


def started(link: Link) -> DeviceInfo | None:
    """Return what a board says of itself, once its bundle runs, where one is to run.

    None from a device that is not ours.
    """
    end_ns = link.port.now_ns() + START_NS
    while True:
        info = edge_info(link)
        starts = info is not None and info.run is None and not info.failure
        if not starts or slot_of(images(link), 0) is None or link.port.now_ns() > end_ns:
            return info
        link.pause(_LOOK_EVERY_NS)


def check_profile(info: DeviceInfo | None, board: FleetBoard) -> None:
    """Raise WrongBoardError where a board says that it is of another profile than stated."""
    if info is not None and info.run is not None and not board.is_of(info.run.board):
        raise WrongBoardError(
            f"{board.name} on {board.port} is {info.run.board}, not {board.profile} as stated: "
            "correct the fleet file, or the cables"
        )
