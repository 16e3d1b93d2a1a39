"""Everything that is written over a `Store`: values, records of runs and tasks, logs, tags.

All meaning of the bytes is here.
"""
