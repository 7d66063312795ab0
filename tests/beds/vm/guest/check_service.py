"""The service's rules on a real kernel: systemd's own tools apply them, an ordinary user gains."""

import grp
import json
import pwd
import subprocess
from pathlib import Path

from tests.beds.vm.guest.child import as_guest
from tests.beds.vm.guest.chip import ADDRESS, load_stub, playing
from tests.beds.vm.guest.cli import BUNDLE, edge_infer, meter_file
from tests.beds.vm.guest.machine import command, load_clock, policy_settings

from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.commands.doctor_board import clock_findings, i2c_findings
from edge_infer.commands.install_service import FILES, removal
from edge_infer.commands.install_service import installation as installed_files
from edge_infer.commands.install_steps import perform

STAGE = Path("/run/stage")
"""The guest's /usr is the host's, read-only."""
UDEVD = "/usr/lib/systemd/systemd-udevd"


def problems_now() -> dict[str, str]:
    """Return what doctor finds wrong with bus and clock: check to what mends it."""
    findings = [*i2c_findings(), *clock_findings(RealSysfs(), Path("/tmp"))]
    return {f.check: f.mend for f in findings if f.status == "problem"}


def user() -> pwd.struct_passwd:
    return pwd.getpwnam("edge-infer")


def groups(*names: str) -> tuple[int, ...]:
    return tuple(grp.getgrnam(name).gr_gid for name in names)


def check_before_the_rules_an_ordinary_user_may_nothing() -> None:
    load_stub()
    load_clock()
    problems = json.loads(as_guest(lambda: json.dumps(problems_now())))
    assert "install-service" in problems["clock"], problems
    assert "usermod -aG i2c" in problems["i2c-0"], problems


def check_sysusers_makes_the_user_and_its_groups() -> None:
    perform(installed_files(STAGE))
    command("systemd-sysusers", str(STAGE / FILES["edge-infer.sysusers"]))
    assert "edge-infer" in grp.getgrnam("i2c").gr_mem
    assert user().pw_dir == "/var/lib/edge-infer"


def check_tmpfiles_gives_the_clock_to_the_group() -> None:
    command("systemd-tmpfiles", "--create", str(STAGE / FILES["edge-infer.tmpfiles"]))
    for name in ("scaling_governor", "scaling_setspeed", "scaling_min_freq", "scaling_max_freq"):
        status = Path("/sys", POLICIES, "policy1", name).stat()
        assert (status.st_gid, status.st_mode & 0o777) == (user().pw_gid, 0o664), name


def check_udev_gives_the_bus_to_the_group() -> None:
    rules = Path("/etc/udev/rules.d/60-edge-infer.rules")
    rules.write_text((STAGE / FILES["edge-infer.rules"]).read_text())
    subprocess.run([UDEVD, "--daemon"], check=True)
    command("udevadm", "trigger", "--action=change", "--subsystem-match=i2c-dev")
    command("udevadm", "settle", "--timeout=20")
    status = Path("/dev/i2c-0").stat()
    assert (status.st_gid, status.st_mode & 0o777) == (*groups("i2c"), 0o660)


def check_a_member_of_the_groups_has_no_problem_left() -> None:
    member = groups("i2c", "edge-infer")
    assert json.loads(as_guest(lambda: json.dumps(problems_now()), member)) == {}


def check_the_service_user_runs_a_bundle_with_clock_and_meter() -> None:
    meter_file(f'kind = "ina219"\ni2c_bus = 0\naddress = {ADDRESS:#x}\nadc_samples = 8\n')
    found = policy_settings()
    with playing(10_000, 5_000, 8_520_000):
        outcome = edge_infer(
            "run", BUNDLE, "--board", "linux", "--policy", "powersave", "--frames", "200",
            "--json", uid=user().pw_uid, groups=groups("i2c", "edge-infer"),
        )  # fmt: skip
    assert outcome.code == 0, outcome.err
    document = outcome.json()
    assert document["accuracy"] > 0.9
    assert document["frequency_residency"]["600000"] > 0.9, document["frequency_residency"]
    assert document["energy"]["origin"] == "measured"  # of this chip, which a process plays
    gross_uw = document["energy"]["gross_uj"] / document["energy"]["wall_us"] * 1e6
    assert 4.9e6 < gross_uw < 5.1e6, gross_uw
    print(f"   {document['inferences']} inferences, {gross_uw / 1e6:.3f} W gross of 5 W played")
    assert policy_settings() == found


def check_the_units_last_command_restores_as_the_service_user() -> None:
    found = policy_settings()
    again = edge_infer("boards", "restore", uid=user().pw_uid, groups=groups("edge-infer"))
    assert (again.code, again.out) == (0, "nothing to put back\n"), again
    assert policy_settings() == found


def check_removal_leaves_no_file() -> None:
    perform(removal(STAGE))
    assert [path for path in STAGE.rglob("*") if path.is_file()] == []
    command("udevadm", "control", "--exit")
