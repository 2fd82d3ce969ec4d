"""Runs jobs, in order of priority; the smallest application that shows one schema on two databases."""
