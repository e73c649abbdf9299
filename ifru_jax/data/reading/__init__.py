"""From bytes to values, one way: file (`files`) → table (`formats`, `text`, `json_lines`) → columns (`columns`) → cells
(`cells`) → ids, ratings and times (`ids`, `numbers`, `times`, together `values`) → one row per pair (`duplicates`).

A frame enters as a table, an array as cells, and from there on they go the same way as files (`ifru_jax.data.readers`).
"""
