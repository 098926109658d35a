"""Writes mixture.json: pip install numpy==2.4.6 scikit-learn==1.9.1.

Series of three kinds; the mean log-likelihood of rows that were not learnt from, by
sklearn.mixture.GaussianMixture with diagonal covariances, fitted to all rows before (five starts).
For comparison, that of one normal distribution.
"""
import json
import pathlib

import numpy
from sklearn.mixture import GaussianMixture

random = numpy.random.default_rng(9)
ROW, COMPONENTS, LEARNT = 2, 3, 1500


def switching(n):
    """Two levels, with lasting stays."""
    state = (numpy.cumsum(random.random(n) < 0.02) % 2).astype(float)
    return 40 + 30 * state + random.normal(size=n) * (1 + 2 * state)


def autoregressive(n):
    values = numpy.zeros(n)
    for i in range(1, n):
        values[i] = 0.7 * values[i - 1] + random.normal()
    return 1e6 + 1e3 * values


def skewed(n):
    return random.lognormal(0.0, 0.8, n)


cases = []
for name, make in [("switching", switching), ("autoregressive", autoregressive), ("skewed", skewed)]:
    values = numpy.round(make(LEARNT + 500), 4)
    rows = numpy.lib.stride_tricks.sliding_window_view(values, ROW)
    learnt, held = rows[: LEARNT - ROW + 1], rows[LEARNT:]
    scores = {}
    for count in [1, COMPONENTS]:
        model = GaussianMixture(count, covariance_type="diag", n_init=5, tol=1e-6, max_iter=500, random_state=0)
        scale = learnt.std()
        scores[count] = model.fit(learnt / scale).score(held / scale) - ROW * numpy.log(scale)
    cases.append({
        "name": name, "learnt": values[:LEARNT].tolist(), "held": values[LEARNT:].tolist(),
        "one": scores[1], "mixture": scores[COMPONENTS],
    })
settings = {"row": ROW, "components": COMPONENTS}
pathlib.Path(__file__).with_name("mixture.json").write_text(
    json.dumps({"settings": settings, "cases": cases}) + "\n"
)
