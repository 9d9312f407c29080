"""What came of reading a block: its words, or the fault that says why there are none. Never a zero for no answer."""

from __future__ import annotations

from twisted.python.failure import Failure

from ..errors import RemoteError
from ..readings import Block, BlockReport, Fault
from .pdu import Read, read_request
from .protocol import LineFault
from .responses import ModbusException, read_values


def request_of(block: Block) -> Read:
    """The request that reads it."""
    return read_request(block.table, block.start, block.count)


def report_of(number: int, block: Block, result: bytes | Failure) -> BlockReport:
    """``result`` is what ``Line.execute`` ended with; ``number`` is the block's place in its plan."""
    if isinstance(result, Failure):
        reason = result.value
        return BlockReport(number, (), reason.fault if isinstance(reason, LineFault) else Fault.BUS_DOWN)
    try:
        return BlockReport(number, read_values(request_of(block), result))
    except ModbusException as exception:
        return BlockReport(number, (), exception.code)
    except RemoteError:
        return BlockReport(number, (), Fault.WRONG_REPLY)
