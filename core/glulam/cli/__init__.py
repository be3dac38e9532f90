"""The command line: `glulam COMMAND`; plug-ins add commands, each imported when it is called."""

from glulam.cli._main import main

__all__ = ["main"]
