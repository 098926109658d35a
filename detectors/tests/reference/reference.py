"""Writes reference.json: pip install numpy==2.4.6 mpmath==1.4.1 scipy==1.17.1 river==0.26.1.

ln, exp: mpmath at 40 digits. level: numpy averages with the weights written out (the first
MEMORY values weigh alike, later ones 1/MEMORY), and river's EWMean over the same values with
its weight as cross-check of the late part. quantiles: scipy.stats.
"""
import json
import pathlib

import mpmath
import numpy
from river import stats
from scipy.stats import lognorm, norm

mpmath.mp.dps = 40
MEMORY = 8
random = numpy.random.default_rng(1)
xs = [1e-300, 3.3e-12, 0.1, 0.5, 0.7071067811865476, 0.9999999, 1.0, 1.0000001, 1.4142135623730951, 2.0, 10.0, 12345.678, 1e18, 1e300]
es = [-700.0, -690.7, -100.25, -2.995732273553991, -1.0, -1e-9, 0.0, 1e-9, 0.3465735, 0.5, 1.0, 10.5, 300.0, 700.0]
values = random.normal(10.0, 2.0, 300)
means, variances = [], []
for t in range(1, len(values) + 1):
    head = min(t, MEMORY)
    weights = numpy.ones(t) / head
    for i in range(MEMORY, t):
        weights[:i] *= 1 - 1 / MEMORY
        weights[i] = 1 / MEMORY
    mean = numpy.average(values[:t], weights=weights)
    means.append(mean)
    variances.append(numpy.average((values[:t] - mean) ** 2, weights=weights))
ew = stats.EWMean(fading_factor=1 / MEMORY)
for value in values:
    ew.update(value)
assert abs(ew.get() - means[-1]) < 1e-12, (ew.get(), means[-1])
levels = [0.02, 0.5, 0.98]
out = {
    "ln": [[x, float(mpmath.log(mpmath.mpf(x)))] for x in xs],
    "exp": [[x, float(mpmath.exp(mpmath.mpf(x)))] for x in es],
    "values": values.tolist(),
    "mean": means,
    "variance": variances,
    "normal_quantiles": norm.ppf(levels).tolist(),
    "lognormal_quantiles": lognorm.ppf(levels, 1.0).tolist(),
}
pathlib.Path(__file__).with_name("reference.json").write_text(json.dumps(out, indent=1) + "\n")
