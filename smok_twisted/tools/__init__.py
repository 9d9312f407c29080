"""The ``smok`` command: what a person or a script does with the daemon, over its API, and with register maps and files.

``main`` is the way in; each other module holds some of the commands, or what they share.
"""
