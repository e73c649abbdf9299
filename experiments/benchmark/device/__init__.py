"""What the library does on whatever JAX finds: sums, products, requests, and ten million interactions, in one process.

Every run gives figures by the rest of their name, as the benchmarks of the CPU do, but without targets: an accelerator is compared
with itself. Data are made here (`ifru_jax.data.synthetic`), unless a file of arrays is given.
"""
