"""The command `ganst`: signals are heard before anything is imported that takes time."""

from typing import NoReturn

from flows.stopping import signals_heard


def main() -> NoReturn:
    """Import the command line and run a verb; Ctrl-C ends the import with one sentence too."""
    with signals_heard():
        from flows import cli

        cli.main()
