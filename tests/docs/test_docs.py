"""The documents say what the program does."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import pytest

from feed_publisher.cli.group import cli
from feed_publisher.compose import mailcss
from feed_publisher.config import loading, models
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.services.overview import SHOWN
from feed_publisher.services.sources import SHOWN as STATUSES

ROOT = Path(__file__).parents[2]
DOCS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
NAMED = [pytest.param(file, id=file.name) for file in DOCS]


@cache
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(file: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", file.read_text(), re.S | re.M)


def test_the_reference_is_what_the_code_says() -> None:
    again = "run: .venv/bin/python docs/reference.py"
    assert (ROOT / "docs" / "settings.md").read_text() == reference().settings(), again
    assert (ROOT / "docs" / "commands.md").read_text() == reference().commands(), again


def test_every_setting_has_its_section_in_the_reference() -> None:
    documented = {re.sub(r"[\[\]]", "", heading) for heading, _ in reference().SECTIONS}
    assert documented == set(models.Settings.model_fields)


@pytest.mark.parametrize("file", NAMED)
def test_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text()):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            linked = (file.parent / path).resolve() if path else file
            assert linked.exists(), target
            headings = (
                [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in _headings(linked)] if anchor else []
            )
            assert not anchor or anchor in headings, target


def _headings(file: Path) -> list[str]:
    return re.findall(r"^#+ (.*)$", file.read_text(), re.M)


TOML = [(file.name, text) for file in DOCS for text in blocks(file, "toml")]


@pytest.mark.parametrize("text", [pytest.param(text, id=f"{name} {n}") for n, (name, text) in enumerate(TOML)])
def test_settings_in_the_documents_load(text: str, tmp_path: Path) -> None:
    (tmp_path / loading.FILE).write_text(text)
    loading.load(tmp_path)


def test_settings_in_running_text_exist() -> None:
    known = {f"{section}.{key}" for section, keys in _known_settings().items() for key in keys}
    for file in DOCS:
        for section, key in re.findall(r"`(?:--config )?([a-z]+)\.([a-z_]+)(?: ?=[^`]*)?`", file.read_text()):
            if section in _known_settings():
                assert f"{section}.{key}" in known, f"{file.name}: {section}.{key}"


def _known_settings() -> dict[str, set[str]]:
    return {re.sub(r"[\[\]]", "", heading): set(model.model_fields) for heading, model in reference().SECTIONS}


def command_lines(file: Path) -> list[str]:
    """Every call of the program, in blocks and between backquotes."""
    text = file.read_text()
    shown = [line for block in re.findall(r"^```\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()]
    shown += re.findall(r"`([^`\n]+)`", text)
    return [line for line in shown if re.match(r"\s*(\S*/)?feed-publisher\s", line)]


LINES = [(file.name, line) for file in DOCS if file.name != "commands.md" for line in command_lines(file)]


def test_there_are_command_lines() -> None:
    assert len(LINES) >= 12


@pytest.mark.parametrize(("name", "line"), LINES)
def test_command_lines_in_the_documents_exist(name: str, line: str) -> None:
    words = shlex.split(line.partition(" #")[0])[1:]
    context: click.Context = click.Context(cli, info_name="feed-publisher")
    command: click.Command = cli
    arguments = 0
    while words:
        word = words.pop(0)
        if word.startswith("-"):
            option, equals, _ = word.partition("=")
            found = next((p for p in command.get_params(context) if option in p.opts), None)
            assert isinstance(found, click.Option), f"{name}: {command.name} has no {option}"
            if not found.is_flag and not equals:
                assert words, f"{name}: {option} needs a value"
                words.pop(0)
        elif isinstance(command, click.Group):
            below = command.get_command(context, word)
            assert below is not None, f"{name}: there is no command {word!r}"
            context, command = click.Context(below, parent=context, info_name=word), below
        else:
            arguments += 1
    wanted = [p for p in command.params if isinstance(p, click.Argument)]
    assert arguments <= len(wanted) or any(p.nargs == -1 for p in wanted), f"{name}: {line}"
    assert arguments >= sum(p.required for p in wanted), f"{name}: {line}"


def test_commands_in_running_text_exist() -> None:
    """`issues approve` and the like, without the name of the program."""
    context = click.Context(cli)
    groups = {
        name: command
        for name in cli.list_commands(context)
        if isinstance(command := cli.get_command(context, name), click.Group)
    }
    for file in DOCS:
        for group, word in re.findall(rf"`({'|'.join(groups)}) ([a-z-]+)", file.read_text()):
            assert word in groups[group].commands, f"{file.name}: {group} {word}"


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for file in DOCS:
        for target in re.findall(r"(?:^|`)make ([a-z]+)", file.read_text(), re.M):
            assert target in targets, f"{file.name}: make {target}"


def test_the_glossary_has_every_state_in_the_words_people_read() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    rows = {cells[1].strip(): cells[3].strip() for line in text.splitlines() if len(cells := line.split("|")) == 5}
    assert {state: rows.get(state.value) for state in DeliveryState} == SHOWN


def tables() -> list[list[list[str]]]:
    """The cells of each table of the glossary, its header first."""
    blocks = re.findall(r"(?:^\|.*\n)+", (ROOT / "docs" / "glossary.md").read_text(), re.M)
    return [[line.strip().strip("|").split("|") for line in block.splitlines()] for block in blocks]


def test_the_glossary_is_whole() -> None:
    assert len(tables()) == 3
    for header, rule, *rows in tables():
        assert set("".join(rule)) == {"-"}
        assert {len(row) for row in [rule, *rows]} == {len(header)}
        terms = [term.strip() for row in rows for term in re.split("[,;]", row[0])]
        assert sorted(set(terms)) == sorted(terms)


def test_the_glossary_has_every_status_of_a_source_in_the_words_people_read() -> None:
    (rows,) = [rows for header, _, *rows in tables() if header[0].strip() == "status"]
    assert {row[0].strip(): row[2].strip() for row in rows} == {str(key): words for key, words in STATUSES.items()}


def test_the_page_on_mail_says_what_happens_where_css_does_not_work() -> None:
    text = (ROOT / "docs" / "mail.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", text.partition("## Which mail programs")[2], re.M)
    told = {name.partition(":")[0] if "…" in name else name: words for name, words in rows}
    known = mailcss.ELEMENTS | mailcss.PROPERTIES | mailcss.AT_RULES
    assert told == {name: words for name, words in known.items() if words}


def test_pictures_in_the_documents_are_small() -> None:
    pictures = list((ROOT / "docs" / "pictures").glob("*.png"))
    assert len(pictures) >= 5
    assert {file.name for file in pictures if file.stat().st_size >= 150_000} == set()


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_no_file_names_this_machine_or_its_registry() -> None:
    try:
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    machine = re.compile(
        rb"/(work|root|home/[a-z]+)/|index-url|extra-index|trusted-host|\bproxy\.[a-z-]+\.(internal|local)\b"
    )
    allowed = Path(__file__).relative_to(ROOT).as_posix()
    for name in filter(None, tracked):
        file = ROOT / name
        if name != allowed and file.is_file():
            found = machine.search(file.read_bytes())
            assert found is None, f"{name}: {found.group()!r}"
