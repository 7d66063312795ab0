"""Two terminals joined by a thread: a real port for each side, at a pace if one is given."""

import os
import select
import threading
import time
import tty


class PtyLine:
    """`host` and `device` are the names of the two ends. A context manager.

    Args:
        baud: pace in bits per second, 10 bits a byte; None for as fast as it goes.
    """

    def __init__(self, baud: int | None = None) -> None:
        self._masters, self._slaves, names = [], [], []
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._masters.append(master)
            # Held open: a terminal whose last user leaves would report an error to its master.
            self._slaves.append(slave)
            names.append(os.ttyname(slave))
        self.host, self.device = names
        self._s_per_byte = 10 / baud if baud else 0.0
        self._stop_read, self._stop_write = os.pipe()
        self._threads = [
            threading.Thread(target=self._carry, args=ends, daemon=True)
            for ends in (tuple(self._masters), tuple(reversed(self._masters)))
        ]

    def __enter__(self) -> "PtyLine":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        os.write(self._stop_write, b"x")
        for thread in self._threads:
            thread.join()
        for descriptor in [*self._masters, *self._slaves, self._stop_read, self._stop_write]:
            os.close(descriptor)

    def _carry(self, source: int, sink: int) -> None:
        free_s = 0.0  # when the line has carried everything it was given
        waiting_on = [source, self._stop_read]
        while True:
            ready, _, _ = select.select(waiting_on, [], [], 0)
            if not ready:
                ready, _, _ = select.select(waiting_on, [], [])
                # It was idle: an unused past cannot be caught up with. A late wake-up can.
                free_s = time.monotonic()
            if self._stop_read in ready:
                return
            # Paced in small pieces, so that a sender feels the line and not a buffer.
            data = os.read(source, 64 if self._s_per_byte else 65_536)
            if self._s_per_byte:
                free_s += len(data) * self._s_per_byte
                time.sleep(max(0.0, free_s - time.monotonic()))
            while data:
                _, ready, _ = select.select([self._stop_read], [sink], [])
                if not ready:
                    return
                data = data[os.write(sink, data) :]
