"""Foreign bytes are parsed in processes of their own: whatever they do to a parser, the next document is read."""

from __future__ import annotations

import io
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, cast

from feed_publisher.adapters.parsing_child import LENGTH
from feed_publisher.domain.errors import InputError, StorageError
from feed_publisher.domain.model import Problem, Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.document import MAX_BYTES, is_markup, read_document

if TYPE_CHECKING:
    from feed_publisher.parse.page import Shape

SECONDS = 20.0
MEMORY = 600_000_000
"""Bytes of address space; an idle child has about 40 MB."""
CHILDREN = 4

_START_SECONDS = 60.0  # Python and its imports, on a busy machine
_MAX_ANSWER = 200_000_000
# All a child needs; secrets that are kept in the environment are no business of a parser's.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
_ANSWER_CLASSES = {
    *(("feed_publisher.domain.model", name) for name in ("About", "Draft", "Enclosure", "Image", "Problem", "Reading")),
    *(("datetime", name) for name in ("datetime", "timedelta", "timezone")),
    ("feed_publisher.domain.source", "Selectors"),
    ("feed_publisher.parse.page", "Shape"),
}


class BoundedParser:
    """ports.pickup.Parser: at most ``children`` processes, started when the others are busy, and used again.

    They end when this process does, however it ends. StorageError when none can be started.
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY, children: int = CHILDREN) -> None:
        self._seconds = seconds
        self._memory = memory
        self._slots = threading.Semaphore(children)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._closed = False

    def __enter__(self) -> BoundedParser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the children; what those at work were reading is given up."""
        with self._lock:
            self._closed, idle, busy = True, self._idle, list(self._busy)
            self._idle = []
        for child in idle:
            child.end()
        for child in busy:
            child.kill()

    def parse(self, data: bytes, name: str, rules: ParseRules) -> Reading:
        """What ``read_document`` gives, or one problem when it takes too long or too much, or crashes."""
        if len(data) > MAX_BYTES:
            return read_document(data, name, rules)  # refused by its size alone
        try:
            return cast(Reading, self._do(False, data, name, rules))
        except _ChildError as error:
            return Reading(problems=(Problem(where=name, reason=str(error)),))

    def shapes(self, data: bytes, name: str, rules: ParseRules) -> list[Shape]:
        """What ``find_shapes`` gives; InputError when it fails, takes too long or too much, or crashes."""
        try:
            found = self._do(True, data, name, rules)
        except _ChildError as error:
            raise InputError(str(error), name) from error
        if isinstance(found, Reading):
            problem = found.problems[0]
            raise InputError(problem.reason, problem.where)
        return found

    def _do(self, shapes: bool, data: bytes, name: str, rules: ParseRules) -> Reading | list[Shape]:
        job = pickle.dumps((shapes, data, name, rules), pickle.HIGHEST_PROTOCOL)
        with self._slots:
            answer = self._ask(job)
        if _is_sane(answer, shapes):
            return answer
        raise _ChildError(_crashed("it answered nonsense"))

    def _ask(self, job: bytes) -> Reading | list[Shape]:
        while True:
            child = self._take()
            try:
                with child.ended_on_error():
                    if not child.give(job, self._seconds):
                        continue  # it has died while it was idle, so not of this document
                    answer, is_worn = child.answer()
            finally:
                self._busy.discard(child)
            self._put_back(child, is_worn)
            return answer

    def _take(self) -> _Child:
        with self._lock:
            child = self._idle.pop() if self._idle else None
        child = child or _Child(self._seconds, self._memory)
        with self._lock:
            self._busy.add(child)
            if self._closed:
                child.kill()
        return child

    def _put_back(self, child: _Child, is_worn: bool) -> None:
        with self._lock:
            if not (is_worn or self._closed):
                self._idle.append(child)
                return
        child.end()


class _ChildError(Exception):
    """Why there is no answer, in words for the operator."""


class _Child:
    """One process and the deadline of its present task."""

    def __init__(self, seconds: float, memory: int) -> None:
        self._seconds = seconds
        self._has_answered = False
        module = "feed_publisher.adapters.parsing_child"
        command = [sys.executable, "-P", "-B", "-m", module, str(memory), str(math.ceil(seconds))]
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            # A session of its own: Ctrl-C in the terminal is for us, not for it.
            self._process = subprocess.Popen(  # noqa: S603  our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise StorageError(f"cannot start the process that reads documents: {error.strerror}") from error
        self._stdin, self._stdout = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        self._start_timer(_START_SECONDS)
        if self._receive() is None:
            self.end()
            raise StorageError("cannot start the process that reads documents; see whether memory has run out")

    @contextmanager
    def ended_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.end()
            raise

    def give(self, job: bytes, seconds: float) -> bool:
        """False when it has done well before, and was dead before it had the whole of this task."""
        self._start_timer(seconds)
        try:
            self._stdin.write(LENGTH.pack(len(job)))
            self._stdin.write(job)
            self._stdin.flush()
        except OSError:
            if not self._has_answered or self._is_late:
                raise _ChildError(self._cause()) from None
            self.end()
            return False
        return True

    def answer(self) -> tuple[Reading | list[Shape], bool]:
        """What it sent, and whether it has to be replaced."""
        answer = self._receive()
        if answer is None:
            raise _ChildError(self._cause())
        try:
            value, is_worn = _Unpickler(io.BytesIO(answer)).load()
        except Exception as error:  # a child that has lost its mind may send anything
            raise _ChildError(_crashed("it answered nonsense")) from error
        if not isinstance(value, (Reading, list)):
            raise _ChildError(_crashed("it answered nonsense"))
        self._has_answered = True
        return value, is_worn or self._is_late

    def end(self) -> None:
        """No process, zombie or open pipe stays behind."""
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self._stdin.close()
        self._stdout.close()

    def _start_timer(self, seconds: float) -> None:
        self._is_late = False
        self._timer = threading.Timer(seconds, self._stop)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        self._is_late = True
        self._process.kill()

    def kill(self) -> None:
        """Whoever waits for its answer gets none."""
        self._process.kill()

    def _receive(self) -> bytes | None:
        """One message, None when it broke off."""
        try:
            head = self._stdout.read(LENGTH.size)
            length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else _MAX_ANSWER + 1
            if length > _MAX_ANSWER:
                return None
            message = self._stdout.read(length)
            return message if len(message) == length else None
        finally:
            self._timer.cancel()
            self._timer.join()  # it strikes now or never, not at the next task

    def _cause(self) -> str:
        self._process.kill()
        code = self._process.wait()
        if self._is_late or code == -signal.SIGXCPU:
            return self._late()
        return _crashed(signal.Signals(-code).name if code < 0 else f"exit {code}")

    def _late(self) -> str:
        return f"takes longer than {self._seconds:g} s to read; split it into smaller documents, or leave it out"


class _Unpickler(pickle.Unpickler):
    """Builds readings and nothing else, whoever has taken over the child."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ANSWER_CLASSES:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a reading")


def _is_sane(answer: Reading | list[Shape], shapes: bool) -> bool:
    """For shapes a list of them, or a reading that says by its one problem why there are none."""
    if not shapes or isinstance(answer, Reading):
        return isinstance(answer, Reading) and (not shapes or len(answer.problems) == 1)
    return all(type(shape).__name__ == "Shape" for shape in answer)


def _crashed(how: str) -> str:
    return f"ended the process that reads it ({how}); it may need too much memory or be broken: split or correct it"


class DocumentParser:
    """ports.pickup.Parser: our own formats are read here, foreign bytes and all markup in the children."""

    def __init__(self) -> None:
        self._bounded = BoundedParser()

    def parse(self, data: bytes, name: str, rules: ParseRules) -> Reading:
        if rules.base or rules.kind or is_markup(data):
            return self._bounded.parse(data, name, rules)
        return read_document(data, name, rules)

    def shapes(self, data: bytes, name: str, rules: ParseRules) -> list[Shape]:
        """services.detect.Detective"""
        return self._bounded.shapes(data, name, rules)

    def close(self) -> None:
        """End the children."""
        self._bounded.close()
