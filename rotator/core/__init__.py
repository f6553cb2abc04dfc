"""Decides what to do next. Standard library only, no I/O, the clock is an argument.

Start with `plan.py`; its nouns are in `records.py` (what is written down), `seen.py` (what is
seen) and `steps.py` (what can be done).
"""
