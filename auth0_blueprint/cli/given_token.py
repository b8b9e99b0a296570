"""How a command gets a token: as an argument, from standard input, or from whoever sits at the terminal."""

from __future__ import annotations

import sys

import click

_ROOM_AROUND = 1024  # for what is copied along with a token
# The kernel drops the rest of a longer line (Linux, termios(3): 4096 with its end).
_TERMINAL_LINE = 4095


def given_token(argument: str, max_bytes: int, command: str) -> str:
    """Return *argument* or, if it is empty or ``-``, what is on standard input; from a terminal without echo.

    Args:
        argument: of the command. ``-`` does not prompt on a terminal.
        max_bytes: the largest token.
        command: which one reads it, as it is typed after ``flask auth0``.
    """
    if argument not in {"", "-"}:
        return argument
    if sys.stdin is None:  # closed: inspect <&-
        return ""
    if not argument and sys.stdin.isatty():
        text = str(click.prompt("Access token", hide_input=True, err=True, type=str))
        if len(text) >= _TERMINAL_LINE:
            click.echo(
                f"A terminal line holds at most {_TERMINAL_LINE} characters, so the end of the token may be missing. "
                f"To solve this, put the token into a file and run flask auth0 {command} < FILE.",
                err=True,
            )
        return text
    # No more than can matter. Any bytes are accepted, to say what is wrong with them.
    data = sys.stdin.buffer.read(max_bytes + _ROOM_AROUND)
    return data.decode("utf-8", "surrogateescape")
