"""Tells twistd about ``twistd smok``; nothing of SMOK is imported until the command is chosen."""

from twisted.application.service import ServiceMaker

smok = ServiceMaker("SMOK", "smok_twisted.tap", "Reach, watch and safely command MODBUS equipment behind NAT.", "smok")
