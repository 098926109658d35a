"""Writes negative_binomial.in: upper tails of the negative binomial from scipy."""
from scipy.stats import nbinom

cases = [(1, 0.5, 1 / 202), (10, 0.5, 1 / 202), (3, 4.5, 0.1), (50, 20.5, 0.25), (7, 100.5, 0.01), (200, 3.5, 0.9)]
rows = [f"    ({float(k)!r}, {r!r}, {q!r}, {float(nbinom.sf(k - 1, r, 1 - q))!r})," for k, r, q in cases]
with open(__file__.replace(".py", ".in"), "w") as out:
    out.write("[\n" + "\n".join(rows) + "\n]\n")
