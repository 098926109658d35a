"""Writes beta_binomial.in: upper tails of the beta-binomial distribution from SciPy (summed: its own `sf` loses small tails)."""

from pathlib import Path

from scipy.stats import betabinom

CASES = [(1, 13, 0.5, 1000.5), (3, 13, 0.5, 1000.5), (21, 60, 0.5, 2600.5), (5, 40, 3.5, 96.5), (2, 2, 0.5, 0.5), (40, 1000, 10.5, 989.5)]

rows = [(k, n, a, b, float(sum(betabinom.pmf(range(k, n + 1), n, a, b)))) for k, n, a, b in CASES]
text = "".join(f"    ({k:.1f}, {n:.1f}, {a}, {b}, {p:.15e}),\n" for k, n, a, b, p in rows)
Path(__file__).with_suffix(".in").write_text(f"[\n{text}]\n")
