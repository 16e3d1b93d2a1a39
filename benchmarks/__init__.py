"""Figures of speed and size, each beside a bare measure of the same machine in the same run."""
