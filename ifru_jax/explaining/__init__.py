"""Why an item is recommended, by the interactions it was learned from; and what the list would be without some of them."""

from ifru_jax.explaining.counterfactual import Counterfactual
from ifru_jax.explaining.explain import explain
from ifru_jax.explaining.explanation import Explanation, Reason

__all__ = ["Counterfactual", "Explanation", "Reason", "explain"]
