"""The command line: `glulam COMMAND`; plug-ins add commands, each imported when it is called."""

__all__ = ["main"]


def main() -> None:
    """Run the command line; a user's mistake ends with its message on stderr and exit code 1."""
    import gc

    gc.disable()  # what is imported stays: to look for garbage among it is a sixth of the time of a short command
    from glulam.cli._main import run

    run()
