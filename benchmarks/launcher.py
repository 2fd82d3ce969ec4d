"""Runs one program and says on a descriptor what it took: launcher.py DESCRIPTOR PROGRAM [ARGUMENT ...].

Linux counts what a process had in memory before it became another program, so one that the benchmark itself
started would seem to need no less than the benchmark. This one is small, and imports nothing that is not.
"""

import os
import sys
import time


def main() -> int:
    descriptor, words = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(descriptor, False)  # noqa: FBT003  # it takes no keyword
    began = time.perf_counter()
    child = os.posix_spawnp(words[0], words, os.environ)
    while True:
        try:
            _, status, usage = os.wait4(child, 0)
        except KeyboardInterrupt:  # the child was told as well: both are of one group
            continue
        break
    taken = time.perf_counter() - began
    os.write(descriptor, f"{taken} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}".encode())
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
