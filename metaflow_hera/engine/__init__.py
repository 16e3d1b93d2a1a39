"""Runs Plans on this machine: the scheduler, which only decides, and what carries its decisions out.

`local` runs one Plan in this process; `daemon` runs deployed ones in the background and outlives the shell.
"""
