"""Writes trend.json: pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0.

holt: level and slope of Holt's method with the gains of a memory of MEMORY values. Up to twice as many
values they are numpy.polyfit's line through all of them; from three times as many on
statsmodels' Holt, begun with what the plain recursion has there. stationary: variances of the error of one
step, of level and slope on white noise of variance 1, from scipy's solution of the Lyapunov equation.
exhaustion: where the squared distance to the limit less z squared times the variance of the line
changes its sign, by scipy.optimize.brentq.
"""
import json
import pathlib

import numpy
import scipy.linalg
import scipy.optimize
from statsmodels.tsa.holtwinters import Holt

MEMORY = 16
kept = 1 - 1 / MEMORY
gain, slope_gain = 1 - kept**2, (1 - kept) ** 2
random = numpy.random.default_rng(11)
values = 40 + 0.3 * numpy.arange(200) + random.normal(0, 1, 200)
values[120:] -= 0.5 * numpy.arange(80)

levels, slopes, level, slope, error = [], [], 0.0, 0.0, 0.0
for n, value in enumerate(values):
    off = value - level - slope
    if n == 0:
        level, slope = value, 0.0
    else:
        assert n < 20 or abs(off) < 8 * error  # Nothing is tempered.
        g = max((4 * n + 2) / ((n + 1) * (n + 2)), gain)
        h = max(6 / ((n + 1) * (n + 2)), slope_gain)
        level, slope = level + slope + g * off, slope + h * off
        error = numpy.sqrt(error**2 + max(1 / n, 0.25 / MEMORY) * (off**2 - error**2))
    levels.append(level)
    slopes.append(slope)
for n in range(2, 2 * MEMORY):
    line = numpy.polynomial.Polynomial.fit(numpy.arange(n) - n + 1, values[:n], 1).convert().coef
    assert numpy.allclose(line, [levels[n - 1], slopes[n - 1]], atol=1e-9)
begin = 3 * MEMORY
holt = Holt(
    values[begin:], initialization_method="known", initial_level=levels[begin - 1], initial_trend=slopes[begin - 1]
).fit(smoothing_level=gain, smoothing_trend=slope_gain / gain, optimized=False)
assert numpy.allclose(holt.level, levels[begin:], atol=1e-9)
assert numpy.allclose(holt.trend, slopes[begin:], atol=1e-9)

step = numpy.array([[1.0, 1.0], [0.0, 1.0]])
gains = numpy.array([[gain], [slope_gain]])
keep = (numpy.eye(2) - gains @ [[1.0, 0.0]]) @ step
state = scipy.linalg.solve_discrete_lyapunov(keep, gains @ gains.T)
one = numpy.array([1.0, 1.0])
stationary = {
    "gains": [gain, slope_gain],
    "error": float(one @ state @ one + 1),
    "level": float(state[0, 0]),
    "slope": float(state[1, 1]),
    "covariance": float(state[0, 1]),
}


def reached(line, limit, z):
    level, slope, level_variance, slope_variance, covariance = line
    expected = (limit - level) / slope
    assert expected > 0

    def beyond(t):
        variance = level_variance + 2 * t * covariance + t * t * slope_variance
        return (limit - level - slope * t) ** 2 - z * z * variance

    earliest = 0.0 if beyond(0.0) <= 0 else scipy.optimize.brentq(beyond, 0.0, expected, xtol=1e-12, rtol=1e-14)
    far = expected * 2.0 ** numpy.arange(1, 40)
    end = next((t for t in far if beyond(t) > 0), None)
    latest = None if end is None else scipy.optimize.brentq(beyond, expected, end, xtol=1e-12, rtol=1e-14)
    return {"line": list(line), "limit": limit, "z": z, "expected": expected, "earliest": earliest, "latest": latest}


cases = []
for slope, noise, limit in [(0.3, 1.0, 100.0), (-0.3, 2.0, -100.0), (0.05, 8.0, 90.0), (0.3, 1.0, 80.0), (0.9, 4.0, 4000.0)]:
    x = numpy.arange(-99, 1)
    y = 79.0 * numpy.sign(slope) + slope * x + random.normal(0, noise, 100)
    (rise, now), covariance = numpy.polyfit(x, y, 1, cov=True)
    line = [float(v) for v in (now, rise, covariance[1, 1], covariance[0, 0], covariance[0, 1])]
    cases += [reached(line, limit, z) for z in (0.5, 1.96, 6.0)]
assert any(case["latest"] is None for case in cases) and any(case["earliest"] == 0 for case in cases)

out = {
    "memory": MEMORY,
    "values": values.tolist(),
    "level": levels,
    "slope": slopes,
    "stationary": stationary,
    "exhaustion": cases,
}
pathlib.Path(__file__).with_name("trend.json").write_text(json.dumps(out, indent=1) + "\n")
