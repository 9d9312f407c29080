"""What a command is given to work with: its arguments, the API, and where to print."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from functools import cached_property
from typing import TYPE_CHECKING

from .output import Output

if TYPE_CHECKING:
    from .client import Client


class Tool:
    """``args`` are those of the command's parser."""

    def __init__(self, args: Namespace) -> None:
        self.args = args
        self.output = Output(sys.stdout, args.form)

    @cached_property
    def api(self) -> Client:
        """Raises UserError when it is not known where the daemon is."""
        from .access import find_access  # these two take longer to import than --help may last
        from .client import Client

        return Client(find_access(self.args, os.environ))
