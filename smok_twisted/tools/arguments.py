"""What the commands' argument parsers share: a parser whose errors are one sentence, types, common options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any, NoReturn

from ..errors import UserError

_WHERE = "where the daemon is"


class Parser(argparse.ArgumentParser):
    """Raises UserError for what it does not accept; takes no abbreviations, which scripts would come to rely on."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `{self.prog} --help` shows what is accepted")


class Commands:
    """The commands below a parser."""

    def __init__(self, parser: Parser) -> None:
        self._below = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")

    def add(
        self, name: str, run: Callable[[Any], int | None], help: str, examples: str = "", *parents: Parser
    ) -> Parser:
        """A command: ``run`` gets a ``Tool`` and gives the exit code (None: 0). ``parents``: its common options."""
        epilog = f"examples:\n{examples}" if examples else None
        parser: Parser = self._below.add_parser(
            name, help=help, description=_sentence(help), epilog=epilog, parents=[*parents, debug()]
        )
        parser.set_defaults(run=run, parser=parser)
        return parser

    def group(self, name: str, help: str) -> Commands:
        """Commands below a common word."""
        return Commands(self._below.add_parser(name, help=help, description=_sentence(help)))

    def mention(self, name: str, help: str) -> None:
        """Something that is run elsewhere."""
        self._below.add_parser(name, help=help, add_help=False)


def folder() -> Parser:
    """Where the daemon's files are."""
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    add = parser.add_argument_group(_WHERE).add_argument
    add("--data-dir", metavar="DIR", help="its data folder (default ./smok-data)")
    add("--config", metavar="FILE", help="its smok.toml, which names data folder and port")
    return parser


def connection() -> Parser:
    """Where the API is, and the token for it."""
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS, parents=[folder()])
    add = parser.add_argument_group(_WHERE).add_argument
    add("--url", help="its web address (default SMOK_URL, or http://127.0.0.1:8080)")
    add("--token", help="its admin token (default SMOK_TOKEN, or the one in the data folder)")
    return parser


def output(*forms: str) -> Parser:
    """``--json``, and further forms than a table."""
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = parser.add_mutually_exclusive_group()
    for form in ("json", *forms):
        group.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=f"print {form.upper()}")
    return parser


def debug() -> Parser:
    parser = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--debug", action="store_true", help="show where in the program an error came up")
    return parser


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type: a whole number within a range."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not accepted: a whole number from {least} to {most}")
        return int(text)

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """A type: one of some words."""

    def read(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text!r} is not accepted: one of {', '.join(words)}")
        return text

    return read


def seconds(least: float, most: float) -> Callable[[str], float]:
    """A type: seconds, with or without a fraction."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not accepted: seconds, from {least:g} to {most:g}")
        return number

    return read


def network(text: str) -> str:
    """A type: an IP network, or one address."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted: {error}; a network such as 10.0.0.0/8") from None


def name(text: str) -> str:
    """A type: a name that is part of an address; no name has a slash, and addresses end parts with it."""
    if not text.strip() or "/" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted: a name, or the id of a device")
    return text


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
