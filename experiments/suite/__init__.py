"""The committed comparisons, a family of cells in a file; each says its command, its minutes and the number it should reach.

    cell            what a cell is, and the methods that several families run
    paper           three data sets × MF, LightGCN-1: label noise with every method, whole users
    two_layers      LightGCN-2, and the request of the authors' own figure
    sharded         the methods with shards, on the six cells of the paper
    sizes           forget sets of all sizes and kinds
    corrections     labels that are set right
    large           ml-1m
    any_model       any model, any objective
    shared_weights  what may become of weights that every interaction touches

Minutes were not recorded. The seconds that the records hold (retraining, first calls, requests, models of the methods' own) are a
lower bound, given with each family.
"""

from experiments.suite import any_model, corrections, large, paper, sharded, shared_weights, sizes, two_layers
from experiments.suite.cell import Cell

# In the order of the pages.
FAMILIES: dict[str, list[Cell]] = {
    "paper": paper.CELLS,
    "two_layers": two_layers.CELLS,
    "sharded": sharded.CELLS,
    "sizes": sizes.CELLS,
    "corrections": corrections.CELLS,
    "large": large.CELLS,
    "any_model": any_model.CELLS,
    "shared_weights": shared_weights.CELLS,
}
CELLS: list[Cell] = [cell for family in FAMILIES.values() for cell in family]

__all__ = ["CELLS", "FAMILIES", "Cell"]
