"""Programs named rpicam-vid, libcamera-vid and ffmpeg that a test writes into a folder of its own.

A script reads what it shall do from a file beside it, one line a start: so many whole frames, then
how it ends. It never sleeps: `hang` waits on a pipe that nobody writes.
"""

import json
import sys
from pathlib import Path

_SCRIPT = """#!{python} -S
import json, os, signal, sys
here = os.path.dirname(os.path.abspath(__file__))
started = os.path.join(here, "started")
with open(started, "a") as log:
    log.write(json.dumps(sys.argv) + "\\n")
with open(os.path.join(here, "pids"), "a") as log:
    log.write(f"{{os.getpid()}}\\n")
number = sum(1 for _ in open(started)) - 1
plan = json.load(open(os.path.join(here, "plan")))
step = plan[min(number, len(plan) - 1)]
said = step.get("says", "")
if said:
    os.write(2, said.encode())
size = {frame_bytes}
if size is None:
    at = sys.argv.index
    width, height = (int(sys.argv[at(name) + 1]) for name in ("--width", "--height"))
    size = -(-width // 64) * 64 * height * 3 // 2
if step.get("stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for value in step.get("frames", []):
    frame, done = bytes([value]) * size, 0
    while done < size:
        done += os.write(1, frame[done:])
os.write(1, bytes(step.get("more", 0)))
if step.get("hang"):
    inner, outer = os.pipe()
    os.read(inner, 1)
if "signal" in step:
    os.kill(os.getpid(), step["signal"])
sys.exit(step.get("code", 0))
"""


def write_program(
    folder: Path, name: str, *plan: dict[str, object], size: int | None = None
) -> Path:
    """Write a program.

    Args:
        folder: it is the only one in it.
        name: of the program.
        plan: what each start does; the last one again and again. Keys: says, frames (the value of
            each frame's bytes), more (bytes of a frame that is cut off), hang, stubborn (no
            SIGTERM), signal, code.
        size: bytes of a frame; as rpicam-vid reckons it from its options if None.
    """
    folder.mkdir(exist_ok=True)
    (folder / "plan").write_text(json.dumps(plan))
    path = folder / name
    path.write_text(_SCRIPT.format(python=sys.executable, frame_bytes=size))
    path.chmod(0o755)
    return path


def starts(folder: Path) -> list[list[str]]:
    """Return the command line of each start so far."""
    log = folder / "started"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def pids(folder: Path) -> list[int]:
    """Return the process of each start so far."""
    return [int(line) for line in (folder / "pids").read_text().splitlines()]
