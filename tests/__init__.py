"""The suite. Hypothesis is the same in every run; ``make fuzz`` lets it wander."""

import os

from hypothesis import settings

settings.register_profile("suite", derandomize=True, max_examples=60, deadline=None, database=None)
settings.register_profile("wander", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("SMOK_HYPOTHESIS", "suite"))
