"""The search for hyper-parameters: one coordinate search, and what it is for.

search        tries, confirms, chooses; goes on where it stopped
whole_models  the models of the comparison, and the two baselines of speed
shards        the methods that train submodels on shards
"""
