"""The speed figures, each against its baseline in the same run: `python -m experiments.benchmark`.

catalogue     every benchmark by its name, with its targets
figure        a measured value with its target
trained       the models that are asked to forget
hvp           products with the Hessian, against those written without this library
bulk          2 % of ml-1m, against two retrainings
requests      one interaction, one user, many at once
frontier      what accuracy costs; `errors` is how it is measured
memory        of a request, and of one product
spillover     b in both forms, and in the one that is chosen
ranking       full lists of all users
cells         the committed comparisons; a command of its own
"""
