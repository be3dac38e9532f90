"""What a worker and the process that started it say to each other: bytes for steps, and messages for all else."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

__all__ = ["FAILED", "MESSAGE", "RESTART", "ClosedError", "read_byte", "read_message", "send_message"]

# A byte below RESTART is the number of a group that is to be stepped, or has been; RESTART more, of one to restart.
RESTART = 64
"""Asks a worker to start ended episodes anew."""
MESSAGE = 128
"""A message follows."""
FAILED = 129
"""A message follows that says what went wrong."""
LENGTH = struct.Struct("!I")


class ClosedError(Exception):
    """The other side is no more, or does not want to hear any more."""


def read_byte(channel: socket.socket) -> int:
    """Wait for the next byte.

    Raises:
        ClosedError: if none will come.
    """
    return _read(channel, 1)[0]


def read_message(channel: socket.socket) -> dict[str, Any]:
    """Return the message whose first byte has been read."""
    (length,) = LENGTH.unpack(_read(channel, LENGTH.size))
    message: dict[str, Any] = json.loads(_read(channel, length))
    return message


def send_message(channel: socket.socket, message: dict[str, Any], kind: int = MESSAGE) -> None:
    """Send plain values.

    Raises:
        ClosedError: if nobody listens.
    """
    text = json.dumps(message).encode()
    try:
        channel.sendall(bytes([kind]) + LENGTH.pack(len(text)) + text)
    except OSError as error:
        raise ClosedError from error


def _read(channel: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        try:
            part = channel.recv(count - len(found))
        except OSError as error:
            raise ClosedError from error
        if not part:
            raise ClosedError
        found += part
    return found
