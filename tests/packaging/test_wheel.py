"""What is built: the wheel has everything in it, and works far from the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    out = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "-d", str(out), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (file,) = built.glob("*.whl")
    assert file.name == f"feed_publisher-{VERSION}-py3-none-any.whl"
    return zipfile.ZipFile(file)


def files(folder: str, pattern: str = "**/*") -> set[str]:
    """Files of the checkout below a folder, as paths from there."""
    base = ROOT / folder
    return {
        file.relative_to(base).as_posix()
        for file in base.glob(pattern)
        if file.is_file() and "__pycache__" not in file.parts and not file.name.endswith(".pyc")
    }


def test_the_wheel_carries_everything_the_program_reads(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())

    assert {f"feed_publisher/{name}" for name in files("src/feed_publisher")} <= names
    assert {f"feed_publisher/templates/{name}" for name in files("templates")} <= names
    assert {f"feed_publisher/example/{name}" for name in files("data")} <= names
    assert "feed_publisher/py.typed" in names
    assert any(re.fullmatch(r"feed_publisher/adapters/database/migrations/versions/\w+\.py", name) for name in names)
    assert len(names) == len(wheel.namelist())


def test_the_wheel_carries_nothing_else(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        assert name.startswith(("feed_publisher/", f"feed_publisher-{VERSION}.dist-info/")), name
        assert "__pycache__" not in name
        assert "sqlite3" not in name
        assert not name.startswith("feed_publisher/example/var/")


def test_what_the_wheel_says_of_itself(wheel: zipfile.ZipFile) -> None:
    info = f"feed_publisher-{VERSION}.dist-info"
    about = message_from_string(wheel.read(f"{info}/METADATA").decode())

    assert (about["Name"], about["Version"], about["Requires-Python"]) == ("feed-publisher", VERSION, ">=3.11")
    assert "feed-publisher = feed_publisher.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def test_the_sdist_can_be_built_and_tested(built: Path) -> None:
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for name in (
        "Makefile",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "templates/web/base.html",
        "data/publisher.toml",
    ):
        assert name in names
    assert {"tests/packaging/test_wheel.py", "requirements/core.txt", "docs/reference.py"} <= names
    assert [name for name in names if name.startswith((".venv", "var/")) or "__pycache__" in name] == []


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel put into a folder of its own by pip, without its dependencies and without a network."""
    target = tmp_path_factory.mktemp("installed")
    (file,) = built.glob("*.whl")
    options = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", "-q", "--target", str(target)]
    done = run(sys.executable, "-m", "pip", "install", *options, str(file), cwd=target)
    assert done.returncode == 0, done.stderr
    return target


def program(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed program; the checkout is moved behind it on the path by PYTHONPATH."""
    return run(sys.executable, "-m", "feed_publisher", *arguments, cwd=cwd, PYTHONPATH=str(installed))


def test_the_installed_program_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import feed_publisher.app as m; print(m.__file__)"
    done = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(installed))
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_the_installed_program_makes_a_site(installed: Path, tmp_path: Path) -> None:
    made = program(installed, tmp_path, "init", "my site")
    listed = program(installed, tmp_path, "--site", "my site", "entries", "list", "--json")
    script = run(str(installed / "bin" / "feed-publisher"), "--help", cwd=tmp_path, PYTHONPATH=str(installed))

    assert (made.returncode, made.stderr) == (0, "")
    assert json.loads(listed.stdout) == {"entries": []}
    assert (script.returncode, script.stdout.startswith("Usage: feed-publisher")) == (0, True)


def test_the_installed_program_runs_the_example(installed: Path, tmp_path: Path) -> None:
    done = program(installed, tmp_path, "--site", "example", "demo", "--once")

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "6 accepted by the mail server" in done.stdout
    assert (tmp_path / "example" / "public" / "feeds" / "coastal-shipping.atom").exists()


# --- the Makefile


def make(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("make", *arguments, cwd=cwd, **environment)


@pytest.mark.parametrize(
    "target", ["run", "demo", "again", "test", "check", "bench", "crash", "pins", "clean", "picture"]
)
def test_every_target_parses(target: str) -> None:
    done = make("-n", target)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('case "$1" in --version) echo Python 3.9.18;; *) exit 1;; esac', "is Python 3.9.18"),
        ("exit 127", "install one and run: make PYTHON=python3.12"),
    ],
    ids=["too old", "broken"],
)
def test_an_old_python_is_one_line_with_the_way_out(tmp_path: Path, script: str, said: str) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for name in ("pyproject.toml", "requirements/core.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    fake = tmp_path / "bin" / "python3"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)

    done = make("run", cwd=tmp_path, PATH=f"{fake.parent}:{os.environ['PATH']}")

    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(lines) == 1
    assert lines[0].startswith("error: Python 3.11 or newer is needed")
    assert said in lines[0]
    assert "make PYTHON=python3.12" in lines[0]
    assert not (tmp_path / ".venv").exists()


def test_a_missing_python_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (tmp_path / "requirements").mkdir()
    for name in ("pyproject.toml", "requirements/core.txt"):
        (tmp_path / name).touch()

    done = make("run", "PYTHON=python3.999", cwd=tmp_path)

    assert done.returncode == 2
    assert "error: Python 3.11 or newer is needed, and python3.999 is " in done.stderr
