"""How time and memory grow with the data.

__main__    the command: sizes one after the other, smallest first
measuring   what one size takes, in a process of its own
growth      exponents, and what larger sizes would take
"""
