"""Writes multivariate.json: pip install numpy==2.4.6 scikit-learn==1.9.1.

eigen: numpy.linalg.eigh. oas: sklearn.covariance.OAS. subspace: the model written out once
more in numpy, with numpy.linalg.eigh for the directions, over rows of six channels (two
share a cause, one is constant, one has gaps), with a broken spell.
"""
import json
import pathlib

import numpy
from sklearn.covariance import OAS

random = numpy.random.default_rng(5)


class Past:
    """The running median of ln(1 + score), which says what score is usual."""

    def __init__(self):
        self.seen, self.median, self.threshold = 0, 0.0, 0.0

    def learn(self, score):
        u = numpy.log1p(score)
        gain = max(3 / (self.seen + 6), 0.01)
        self.median += gain * ((u > self.median) - 0.5)
        self.threshold = max(self.threshold + gain * ((u > self.threshold) - 0.05), 0.0)
        self.median = min(max(self.median, 0.0), self.threshold)
        self.seen += 1


def subspace(rows, lags, warmup, memory, refresh):
    channels = rows.shape[1]
    mean, variance, seen = (numpy.zeros(channels) for _ in range(3))
    window = numpy.zeros(channels * lags)
    centre, covariance, count = numpy.zeros_like(window), numpy.zeros((window.size, window.size)), 0
    vectors, past, scores, age = None, Past(), [], 0
    for n, row in enumerate(rows):
        present = numpy.isfinite(row)
        known = present & (seen >= 20)
        unit = numpy.sqrt(variance) + 0.01 * abs(mean) + 1e-9
        z = numpy.where(known, numpy.clip(numpy.arcsinh(numpy.where(present, row - mean, 0) / unit), -4, 4), 0)
        window = numpy.concatenate([z, window[:-channels]])
        g = window - centre
        weight, score = 1.0, None
        if vectors is not None:
            y = vectors.T @ g
            principal = values >= 0.1
            inside = values[principal] / (values[principal] + 1)
            score = (g @ g - (y[principal] ** 2) @ inside) / g.size
            usual = numpy.expm1(past.median)
            if usual > 0 and score > 10 * usual:
                weight = 10 * usual / score
            past.learn(score)
        scores.append(score)
        for c in numpy.flatnonzero(present):
            seen[c] += 1
            gain = max(1 / seen[c], 1 / memory) * weight
            deviation = row[c] - mean[c]
            size = abs(deviation)
            bounded = size if seen[c] <= 20 else max(min(size, 8 * numpy.sqrt(variance[c])), 0.1 * size)
            mean[c] += gain * numpy.copysign(bounded, deviation)
            variance[c] = (1 - gain) * (variance[c] + gain * bounded**2)
        if n + 1 > 20 + lags:
            count += 1
            gain = max(1 / count, 1 / memory) * weight
            centre = centre + gain * g
            covariance = (1 - gain) * (covariance + gain * numpy.outer(g, g))
        age += 1
        if age >= (warmup // 2 if vectors is None else refresh):
            values, vectors = numpy.linalg.eigh(covariance)
            age = 0
    return scores


matrices = []
for size in (1, 2, 7, 40):
    a = random.normal(size=(size, size + 3))
    matrices.append(a @ a.T)
matrices.append(numpy.diag([3.0, 1.0, 1.0, 0.0]))
matrices.append(numpy.ones((5, 5)))
matrices.append(1e150 * matrices[2])

oas_rows = random.normal(size=(30, 8)) @ random.normal(size=(8, 8))
oas = OAS().fit(oas_rows)

cause = random.normal(size=600).cumsum() / 10
rows = numpy.column_stack([
    100 + 5 * cause + random.normal(size=600),
    3 - cause + 0.1 * random.normal(size=600),
    numpy.full(600, 7.0),
    numpy.sin(numpy.arange(600) / 10) + 0.2 * random.normal(size=600),
    random.normal(size=600),
    1e6 * random.exponential(size=600),
])
rows[400:430, 1] += 4
rows[500, 2] = 8
rows[random.random(600) < 0.1, 4] = numpy.nan
settings = {"lags": 3, "warmup_rows": 128, "memory_rows": 200.0, "refresh_rows": 50}
out = {
    "eigen": [{"matrix": a.tolist(), "values": numpy.linalg.eigvalsh(a).tolist()} for a in matrices],
    "oas": {
        "rows": oas_rows.tolist(),
        "covariance": oas.covariance_.tolist(),
        "squared_distance": oas.mahalanobis(oas_rows).tolist(),
    },
    "subspace": {
        "settings": settings,
        "rows": [[None if numpy.isnan(x) else float(x) for x in row] for row in rows],
        "scores": subspace(rows, *settings.values()),
    },
}
pathlib.Path(__file__).with_name("multivariate.json").write_text(json.dumps(out) + "\n")
