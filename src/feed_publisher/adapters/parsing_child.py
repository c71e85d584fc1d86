"""The other end of ``parsing``: a process that reads one document after another within its limits.

A message is 8 bytes of length and a pickle: (whether shapes are wanted, data, name, rules) comes in, (reading or
shapes, whether to be replaced) goes out.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem, Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.document import read_document

LENGTH = struct.Struct("!Q")
_STDIN = 0


def main(memory: int, seconds: int) -> None:
    """Until the parent closes the pipe. ``memory`` in bytes, ``seconds`` of CPU per document."""
    jobs, answers = os.fdopen(_STDIN, "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library may print is no answer
    _limit(resource.RLIMIT_AS, memory)
    for nothing in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC):
        _limit(nothing, 0)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(_STDIN, fcntl.F_SETOWN, os.getpid())
    _send(answers, b"")
    while head := jobs.read(LENGTH.size):
        shapes, data, name, rules = pickle.loads(jobs.read(LENGTH.unpack(head)[0]))  # noqa: S301  from the parent
        _limit(resource.RLIMIT_CPU, int(time.process_time()) + seconds + 1)
        with _ending_with_parent():
            value = _bounded(_shapes if shapes else read_document, data, name, rules, memory)
            answer = pickle.dumps((value, _is_worn(memory)), pickle.HIGHEST_PROTOCOL)
        _send(answers, answer)


def _shapes(data: bytes, name: str, rules: ParseRules) -> object:
    from feed_publisher.parse.page import find_shapes

    return find_shapes(data, name, rules)


def _bounded(read: Callable[..., object], data: bytes, name: str, rules: ParseRules, memory: int) -> object:
    try:
        return read(data, name, rules)
    except InputError as error:
        return Reading(problems=(Problem(where=error.where or name, reason=error.reason),))
    except MemoryError:
        reason = f"needs more than {memory // 1_000_000} MB of memory to read; split it into smaller documents"
    except Exception as error:  # noqa: BLE001  whatever the bytes have made happen ends here
        reason = f"cannot be read ({type(error).__name__}: {str(error)[:200]}); this is a mistake of ours, report it"
    return Reading(problems=(Problem(where=name, reason=reason),))


def _is_worn(memory: int) -> bool:
    """So much was needed that the next document might not find enough: what is freed is rarely given back."""
    return _peak() > memory // 3


def _peak() -> int:
    """The most memory it ever had, in bytes; ru_maxrss also counts what the parent had when it was forked."""
    try:
        with open("/proc/self/status", "rb") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(b"VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _send(answers: BinaryIO, answer: bytes) -> None:
    answers.write(LENGTH.pack(len(answer)) + answer)
    answers.flush()


class _ending_with_parent(contextlib.AbstractContextManager[None]):
    """The kernel ends us by SIGIO when the pipe closes: no code of ours could run in the midst of C code.

    (PR_SET_PDEATHSIG would also strike when only the thread that started us has ended.)
    """

    def __enter__(self) -> None:
        self._flags = fcntl.fcntl(_STDIN, fcntl.F_GETFL)
        fcntl.fcntl(_STDIN, fcntl.F_SETFL, self._flags | os.O_ASYNC)
        poll = select.poll()
        poll.register(_STDIN, 0)  # a hang-up is always told
        if poll.poll(0):
            os._exit(0)

    def __exit__(self, *_: object) -> None:
        fcntl.fcntl(_STDIN, fcntl.F_SETFL, self._flags)


def _limit(what: int, value: int) -> None:
    """The soft limit, as far as this system has it."""
    hard = resource.getrlimit(what)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(int(sys.argv[1]), int(sys.argv[2]))
