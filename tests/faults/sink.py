"""A real SMTP sink in a process of its own: the witness. One line "recipient message-id" per accepted message.

Run: python -m tests.faults.sink LOG [MAX_DELAY_MS [pipelining]]; prints its port, runs until its standard input closes.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session

MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)", re.MULTILINE | re.IGNORECASE)


class Witness:
    """Writes the line before it answers 250, so nothing accepted is ever missing from the log."""

    def __init__(self, log: str, delay: float, pipelining: bool) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._delay = delay
        self._pipelining = pipelining

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """aiosmtpd reads line by line, so commands may come in groups; it only does not say so."""
        session.host_name = hostname
        return responses[:1] + ["250-PIPELINING"] * self._pipelining + responses[1:]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(random.uniform(0, self._delay))
        found = MESSAGE_ID.search(bytes(envelope.content or b""))
        name = found.group(1).decode() if found else "none"
        os.write(self._log, "".join(f"{rcpt} {name}\n" for rcpt in envelope.rcpt_tos).encode())
        await asyncio.sleep(random.uniform(0, self._delay))
        return "250 kept"


async def main(log: str, delay: float, pipelining: bool) -> None:
    loop = asyncio.get_running_loop()
    witness = Witness(log, delay, pipelining)
    server = await loop.create_server(lambda: SMTP(witness, hostname="sink", loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0, sys.argv[3:] != []))
