"""A real name server on 127.0.0.1, over UDP and TCP, for zones that a test writes down; what it was asked is kept."""

from __future__ import annotations

import socket
import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

UDP_SIZE = 512
"""Longer answers come over TCP, as between machines that know no EDNS."""


@dataclass
class Dns:
    """``records``: (name, kind) -> values; ``broken``: name -> "SERVFAIL", "REFUSED" or "silence"."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    silent: bool = False
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def txt(self, name: str, *values: str) -> None:
        """Cut into strings of 255 bytes; with no values the records are taken away."""
        self.records[_key(name), "TXT"] = [
            " ".join(_quoted(value.encode("latin-1")[at : at + 255]) for at in range(0, max(len(value), 1), 255))
            for value in values
        ]

    def put(self, name: str, kind: str, *values: str) -> None:
        self.records[_key(name), kind] = list(values)

    def name_of(self, address: str, *names: str) -> None:
        self.records[_key(str(dns.reversename.from_address(address))), "PTR"] = [f"{name}." for name in names]

    def answer(self, wire: bytes, way: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = _key(question.name.to_text()), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, way))
        trouble = "silence" if self.silent else self.broken.get(name, "")
        if trouble == "silence":
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if trouble:
            response.set_rcode(dns.rcode.from_text(trouble))
        else:
            self._fill(response, question.name, kind)
        wire = response.to_wire()
        if way == "udp" and len(wire) > UDP_SIZE:
            response.flags |= dns.flags.TC
            response.answer = []
            wire = response.to_wire()
        return wire

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: str) -> None:
        for _ in range(8):
            source = self._source(_key(name.to_text()))
            if alias := self.records.get((source, "CNAME")):
                response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *alias))
                name = dns.name.from_text(alias[0])
                continue
            if values := self.records.get((source, kind)):
                response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *values))
            elif not any(known == source or known.endswith(f".{source}") for known, _ in self.records):
                response.set_rcode(dns.rcode.NXDOMAIN)
            return

    def _source(self, name: str) -> str:
        """The name whose records answer: a wildcard's where nothing is at the name itself or below it."""
        if any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            return name
        labels = name.split(".")
        stars = (".".join(("*", *labels[start:])) for start in range(1, len(labels)))
        return next((star for star in stars if any(known == star for known, _ in self.records)), name)


@contextmanager
def serving() -> Iterator[Dns]:
    zone = Dns()

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            if reply := zone.answer(data, "udp"):
                sock.sendto(reply, self.client_address)

    class Tcp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            size = struct.unpack("!H", self.request.recv(2, socket.MSG_WAITALL))[0]
            if reply := zone.answer(self.request.recv(size, socket.MSG_WAITALL), "tcp"):
                self.request.sendall(struct.pack("!H", len(reply)) + reply)

    tcp = _bound(socketserver.ThreadingTCPServer, 0, Tcp)
    udp = _bound(socketserver.ThreadingUDPServer, tcp.server_address[1], Udp)
    zone.port = tcp.server_address[1]
    threads = [Thread(target=each.serve_forever, kwargs={"poll_interval": 0.01}) for each in (tcp, udp)]
    for thread in threads:
        thread.start()
    try:
        yield zone
    finally:
        for server in (tcp, udp):
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _bound(kind: Any, port: int, handler: Any) -> Any:
    server = kind(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


def _key(name: str) -> str:
    return name.rstrip(".").lower()


def _quoted(value: bytes) -> str:
    return (
        '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03}" for byte in value) + '"'
    )
