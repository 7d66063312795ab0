"""A runner of checks: functions named check_*, in the order in which they stand.

pytest would need five seconds of the guest's time to start.
"""

import inspect
import time
import traceback
from collections.abc import Callable, Iterable
from types import ModuleType


def checks_of(module: ModuleType) -> list[Callable[[], None]]:
    """Return a module's checks."""
    found = inspect.getmembers(module, inspect.isfunction)
    own = [f for name, f in found if name.startswith("check_") and f.__module__ == module.__name__]
    return sorted(own, key=lambda function: function.__code__.co_firstlineno)


def run(modules: Iterable[ModuleType]) -> int:
    """Run every check, print a line each; return 1 if one failed."""
    passed, failed = 0, []
    for module in modules:
        for check in checks_of(module):
            title = check.__name__.removeprefix("check_").replace("_", " ")
            began_s = time.monotonic()
            try:
                check()
            except Exception:  # whatever it is, the other checks still have something to say
                print(traceback.format_exc())
                failed.append(title)
                print(f"FAILED {title}")
                continue
            passed += 1
            print(f"ok {passed + len(failed)} ({time.monotonic() - began_s:.1f} s) {title}")
    print(f"bed: {passed} checks passed, {len(failed)} failed {failed or ''}")
    return 1 if failed or not passed else 0
