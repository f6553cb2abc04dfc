"""Decides what to do next. Standard library only, no I/O, the clock is an argument.

Start with `plan.py`. Its input is a situation: an observation (`observation.py`; what annotations say is in
`records.py`), the policy (`policy.py`) and the time. Its answer is a step (`steps.py`).
"""
