"""What happened to the board in a run is told, and nothing is told of a run without."""

from pathlib import Path

import pytest
from tests.fakes.sysfs_tree import CLOCKS_KHZ, make_tree

from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.linux_board import FixedClock, KernelsClock, LinuxBoard
from edge_infer.boards.profile import load_profile
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.boards.thermal import TEMPERATURE, THROTTLED
from edge_infer.runtime.board_watch import LOOK_EVERY_NS, BoardWatch

PI_5 = load_profile("raspberry-pi-5")
ADDRESSED = "devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"


class Scene:
    """A board on a tree of plain files, and a watch over it."""

    def __init__(self, root: Path, asked_khz: int = 0, flags_file: str = THROTTLED) -> None:
        self.root, self.asked_khz = make_tree(root), asked_khz
        self.flags_file = flags_file
        self.write(flags_file, "0")
        self.write(TEMPERATURE, "51000")
        sysfs = RealSysfs(root)
        clock = CpufreqClock(sysfs)
        chosen = clock if asked_khz else KernelsClock(clock)
        self.board = LinuxBoard(PI_5, chosen, None, sysfs)
        self.watch = BoardWatch(self.board, lambda: self.asked_khz)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text + "\n")

    def runs_at(self, khz: int) -> None:
        for name in ("scaling_cur_freq", "cpuinfo_cur_freq"):
            self.write(f"{POLICIES}/policy0/{name}", str(khz))

    def look(self, times: int, flags: str = "0") -> None:
        self.write(self.flags_file, flags)
        for _ in range(times):
            self.watch.look_now()

    @property
    def warnings(self) -> str:
        return "\n".join(self.watch.warnings())


def test_a_run_without_trouble_says_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CLOCKS_KHZ[-1])
    scene.look(10)
    document = scene.watch.document()
    assert document["warnings"] == []
    assert (document["undervoltage_share"], document["capped_share"]) == (0, 0)
    assert (document["other_clock_share"], document["most_celsius"]) == (0, 51)
    assert document["running_khz"] == {str(CLOCKS_KHZ[-1]): 1}


@pytest.mark.parametrize("flags_file", [THROTTLED, ADDRESSED])
def test_a_weak_supply_is_told_with_its_share(tmp_path: Path, flags_file: str) -> None:
    scene = Scene(tmp_path, flags_file=flags_file)
    scene.look(3)
    scene.look(1, "50001")
    assert "supply voltage was too low in 25 % of the run (1 of 4 looks)" in scene.warnings
    assert "held the clock down" in scene.warnings  # the firmware noted it between two looks
    assert scene.watch.document()["undervoltage_share"] == 0.25


def test_a_dip_between_two_looks_is_known_from_the_firmwares_memory(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.look(3)
    scene.look(1, "10000")
    assert "too low at some moment of the run" in scene.warnings
    assert scene.watch.document()["since_boot_in_run"] == 1


def test_what_was_before_the_run_is_not_of_the_run(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(THROTTLED, "d000d")
    watch = BoardWatch(scene.board, lambda: 0)
    scene.write(THROTTLED, "d0000")
    watch.look_now()
    assert watch.warnings() == []


@pytest.mark.parametrize("flags", ["2", "4", "8"])
def test_a_throttled_board_is_told_with_its_temperature(tmp_path: Path, flags: str) -> None:
    scene = Scene(tmp_path)
    scene.write(TEMPERATURE, "85200")
    scene.look(2, flags)
    assert "held the clock down in 100 % of the run (2 of 2 looks) (up to 85 C)" in scene.warnings
    assert "supply voltage" not in scene.warnings


def test_a_policy_that_the_clock_does_not_follow_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CLOCKS_KHZ[-1])
    scene.runs_at(CLOCKS_KHZ[0])
    scene.look(4)
    assert "did not follow the policy: in 100 %" in scene.warnings
    assert "600 MHz for 1500" in scene.warnings
    assert scene.watch.document()["other_clock_share"] == 1


def test_a_change_of_clock_on_its_way_is_no_fault(tmp_path: Path) -> None:
    scene = Scene(tmp_path, CLOCKS_KHZ[-1])
    scene.look(99)
    scene.runs_at(CLOCKS_KHZ[0])
    scene.look(1)
    assert scene.warnings == ""


def test_a_clock_that_is_left_alone_may_run_as_it_likes(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for khz in CLOCKS_KHZ[:2]:
        scene.runs_at(khz)
        scene.look(1)
    document = scene.watch.document()
    assert document["warnings"] == [] and document["kernel_governor"] == "ondemand"
    assert document["running_khz"] == {str(khz): 0.5 for khz in CLOCKS_KHZ[:2]}


def test_a_computer_that_tells_nothing_is_not_called_sound(tmp_path: Path) -> None:
    board = LinuxBoard(load_profile("host"), FixedClock(), None, RealSysfs(tmp_path))
    watch = BoardWatch(board, lambda: 0)
    watch.look_now()
    document = watch.document()
    assert document["undervoltage_share"] is None and document["capped_share"] is None
    assert document["running_khz"] == {} and document["warnings"] == []


def test_it_looks_twice_a_second(tmp_path: Path) -> None:
    watch = Scene(tmp_path).watch
    for now_ns in range(0, 10 * LOOK_EVERY_NS, LOOK_EVERY_NS // 4):
        watch.look(now_ns)
    assert watch.document()["looks"] == 10
