"""Who is dead: the OS lock on this host and folder, silence elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from feed_publisher.adapters.process import SILENT, Owner
from feed_publisher.ports.sending import Process

HOLD = """
import sys, time
from pathlib import Path
from feed_publisher.adapters.process import Owner
with Owner(Path(sys.argv[1])) as owner:
    print(owner.name, flush=True)
    sys.stdin.read()
"""


def seen(owner: Owner, name: str, silent_for: float = 0.0) -> Process:
    return Process(owner=name, host=owner.host, silent_for=silent_for)


def test_a_killed_process_is_dead_at_once_and_a_living_one_never(tmp_path: Path) -> None:
    source = str(Path(__file__).parents[2] / "src")
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    with Owner(tmp_path) as me:
        assert not me.is_dead(seen(me, name, silent_for=10 * SILENT)), "its lock is held: it lives, however silent"
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert me.is_dead(seen(me, name))
        assert not me.is_dead(seen(me, me.name))


def test_a_process_that_ended_well_leaves_no_lock(tmp_path: Path) -> None:
    with Owner(tmp_path) as first:
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    with Owner(tmp_path) as me:
        assert me.is_dead(seen(me, first.name))


def test_on_another_host_or_in_another_folder_only_silence_tells(tmp_path: Path) -> None:
    with Owner(tmp_path / "a") as me, Owner(tmp_path / "b") as other:
        neighbour = Process(owner=other.name, host=other.host, silent_for=SILENT - 1)
        assert not me.is_dead(neighbour), "its lock lies in a folder this process does not see"
        assert me.is_dead(Process(owner=other.name, host=other.host, silent_for=SILENT + 1))
        far = me.host.replace(me.host.split(" ")[0], "elsewhere", 1)
        assert not me.is_dead(Process(owner="x", host=far, silent_for=SILENT - 1))
        assert me.is_dead(Process(owner="x", host=far, silent_for=SILENT + 1))


def test_after_a_reboot_nobody_of_before_lives(tmp_path: Path) -> None:
    with Owner(tmp_path) as me:
        name, _boot, folder = me.host.split(" ")
        assert me.is_dead(Process(owner="x", host=f"{name} another-boot {folder}", silent_for=0))
