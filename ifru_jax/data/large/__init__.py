"""Data sets that don't fit in memory: many Parquet files, read row group by row group, into arrays on disk.

row_groups   which there are, whose turn each is, and the cells of one
vocabulary   the distinct ids of a column, in order, in bounded memory
streaming    the two passes: ids, then rows
sharing      a split of them, to each process the interactions of its own users
"""
