"""Sources added to publisher.toml by the program: at its end, with every byte of the operator's own text kept."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from feed_publisher.config.loading import FILE, load
from feed_publisher.domain.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource:
    """A [[sources]] block to be written; ``select`` holds selectors by name, ``title`` becomes a comment."""

    slug: str
    kind: str
    location: str
    title: str = ""
    topics: tuple[str, ...] = ()
    select: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def toml(self) -> str:
        """The block, with a newline at its end."""
        lines = [f"# {comment}"] if (comment := " ".join(_plain(self.title).split())) else []
        lines += ["[[sources]]", f"slug = {quoted(self.slug)}", f"kind = {quoted(self.kind)}"]
        lines.append(f"location = {quoted(self.location)}")
        if self.topics:
            lines.append(f"topics = [{', '.join(map(quoted, self.topics))}]")
        lines += [f"{key} = {quoted(value)}" for key, value in self.more.items()]
        chosen = [f"{key} = {quoted(value)}" for key, value in self.select.items() if value]
        lines += ["[sources.select]", *chosen] if chosen else []
        return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A TOML basic string: JSON's, but for DEL and halves of characters, which TOML does not take."""
    whole = text.encode("utf-8", "replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def append_sources(folder: Path, sources: Sequence[NewSource], overrides: tuple[str, ...] = ()) -> None:
    """Add them to the site's settings, all or none.

    What the file would become is loaded first; ConfigError, and the old file stays, when it would not do.
    """
    file = (folder / FILE).resolve()  # behind a link: the file is replaced, not the link
    try:
        old = file.read_bytes()
        with tempfile.TemporaryDirectory(prefix=".publisher-", dir=file.parent) as beside:
            made = Path(beside) / FILE
            made.write_bytes(_joined(old, sources))
            _check(made, folder, sources, overrides)
            _like(made, file)
            if file.read_bytes() != old:
                raise ConfigError("was changed by somebody else just now; nothing was added, try again", str(file))
            os.replace(made, file)
    except OSError as error:
        raise ConfigError(f"cannot be changed: {error.strerror}", str(file)) from error


def _joined(old: bytes, sources: Sequence[NewSource]) -> bytes:
    newline = "\r\n" if b"\r\n" in old else "\n"
    ended = old.endswith(b"\n") or not old
    text = ("" if ended else "\n") + "".join(f"\n{source.toml}" for source in sources)
    return old + text.replace("\n", newline).encode()


def _check(made: Path, folder: Path, sources: Sequence[NewSource], overrides: tuple[str, ...]) -> None:
    load(folder, overrides)  # what is wrong already is told as it always is
    try:
        loaded = load(made.parent, overrides)
    except ConfigError as error:
        reason = f"cannot take [[sources]] at its end ({error.reason}); nothing was added, add them by hand"
        raise ConfigError(reason, str(folder / FILE)) from error
    missing = {source.slug for source in sources} - {source.slug for source in loaded.sources}
    if missing:
        reason = "sources are set by the environment, which beats the file; nothing was added"
        raise ConfigError(reason, "FEED_PUBLISHER_SOURCES")


def _like(made: Path, file: Path) -> None:
    """Readable for the same people, and on the disk before it takes the other's place."""
    shutil.copymode(file, made)
    with suppress(PermissionError):
        os.chown(made, file.stat().st_uid, file.stat().st_gid)
    with made.open("rb+") as stream:
        os.fsync(stream.fileno())


def _plain(text: str) -> str:
    """Without what may not stand in a comment."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
