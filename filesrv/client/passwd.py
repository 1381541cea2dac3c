"""
C{filesrv passwd}: the users and passwords of a daemon, in the file that its C{--auth} names.
It talks to no server.
"""

from __future__ import annotations

import click

from filesrv.client.console import Console

__all__ = ["passwd"]

#: Characters; a command has 4096 bytes, of which quotes and escapes can take half.
_LONGEST = 500


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.argument("user")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read one line with the password.")
@click.option("--delete", is_flag=True, help="Remove USER.")
@click.pass_obj
def passwd(console: Console, file: str, user: str, from_stdin: bool, delete: bool) -> None:
    """
    Give USER a password in FILE, for a daemon on this machine.

    The password is asked for twice.  FILE keeps its hash, for the daemon's
    --auth file:FILE; it is made if it is missing, readable for its owner alone.
    """
    from filesrv.access.password_file import WrongPasswordFile, change_passwords
    from filesrv.access.passwords import hash_password
    from filesrv.access.users import check_user

    try:
        kept = None
        if not delete:
            check_user(user)
            kept = hash_password(_password(console, from_stdin).encode("utf-8", "surrogateescape"))
        change_passwords(file, user, kept)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except KeyError:
        _fail(console, f"{file}: there is no user {user}")
    except WrongPasswordFile as error:
        _fail(console, str(error))
    except OSError as error:
        _fail(console, f"{file}: {error.strerror}")


def _fail(console: Console, words: str) -> None:
    console.error(words)
    raise click.exceptions.Exit(1)


def _password(console: Console, from_stdin: bool) -> str:
    """
    @raise ValueError: it cannot be one.
    """
    if from_stdin:
        password = console.stdin.readline().rstrip("\r\n")
    elif console.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise ValueError("there is no terminal to ask on; --stdin reads the password from a pipe")
    if not 0 < len(password) <= _LONGEST:
        raise ValueError(f"a password has 1 to {_LONGEST} characters")
    if any(character < " " for character in password):
        raise ValueError("a password has no control characters")
    return str(password)
