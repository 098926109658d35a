"""Writes peaks.json: pip install numpy==2.4.6 scipy==1.17.1.

fits: samples, and the largest mean log-likelihood of a generalised Pareto distribution that
scipy finds: by genpareto.fit, and by minimisation from several starts with the shape bounded below.
streams: SPOT and DSPOT (Siffer et al. 2017) in plain numpy, thresholds and probabilities by
numpy.quantile-like order statistics and scipy's genpareto.sf.
"""
import json
import pathlib

import numpy
from scipy import optimize, stats

random = numpy.random.default_rng(7)


def mean_log_likelihood(shape, scale, excesses):
    return stats.genpareto.logpdf(excesses, shape, scale=scale).mean()


def likeliest(excesses, shape_min):
    """Shape and scale by minimisation over both, from several starts."""
    best = None
    for start in [0.0, 0.1, 0.5, 1.0, 2.0, max(shape_min, -0.3)]:
        found = optimize.minimize(
            lambda at: -mean_log_likelihood(at[0], numpy.exp(at[1]), excesses),
            [start, numpy.log(excesses.mean() * max(1 - start, 0.2))],
            method="Nelder-Mead", bounds=[(shape_min, 20), (-50, 50)],
            options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000, "maxfev": 4000},
        )
        if best is None or found.fun < best.fun:
            best = found
    return best.x[0], numpy.exp(best.x[1])


def fits():
    samples = {
        "exponential": random.exponential(3.0, 256),
        "heavy": stats.genpareto.rvs(0.7, scale=2.0, size=256, random_state=random),
        "very_heavy": stats.genpareto.rvs(2.5, scale=1e-3, size=100, random_state=random),
        "light": stats.genpareto.rvs(-0.3, scale=5e6, size=256, random_state=random),
        "uniform": random.uniform(0, 1, 64),
        "rounded": numpy.ceil(random.exponential(2.0, 128)),
        "few": numpy.array([0.3, 0.4, 2.5]),
        "two_alike": numpy.array([1.0, 1.0, 7.0, 7.0]),
        "one_far": numpy.concatenate([random.exponential(1.0, 50), [1e4]]),
    }
    out = {}
    for name, sample in samples.items():
        case = {"excesses": sample.tolist(), "bounded": {}}
        for shape_min in [-0.5, 0.0]:
            shape, scale = likeliest(sample, shape_min)
            case["bounded"][str(shape_min)] = mean_log_likelihood(shape, scale, sample)
        shape, _, scale = stats.genpareto.fit(sample, floc=0)
        case["free"] = {"shape": shape, "mean_log_likelihood": mean_log_likelihood(shape, scale, sample)}
        out[name] = case
    return out


class Tail:
    def __init__(self, first, tail, kept, shape_min):
        ordered = numpy.sort(first)
        self.threshold = ordered[int((1 - tail) * len(first))]
        self.peaks = list(ordered[ordered > self.threshold] - self.threshold)
        self.count, self.kept, self.shape_min = len(self.peaks), kept, shape_min
        self.fit()

    def fit(self):
        self.peaks = self.peaks[-self.kept:]
        self.shape, self.scale = likeliest(numpy.array(self.peaks), self.shape_min)

    def probability(self, distance, seen):
        if distance <= self.threshold:
            return 1.0
        beyond = stats.genpareto.sf(distance - self.threshold, self.shape, scale=self.scale)
        return self.count / seen * beyond

    def learn(self, distance):
        if distance > self.threshold:
            self.peaks.append(distance - self.threshold)
            self.count += 1
            self.fit()


def stream(values, depth, first, tail, kept, alarm, shape_min):
    window, distances, out, seen = [], [], [], 0
    for x in values:
        mean = numpy.mean(window) if window else 0.0
        if len(window) < depth:
            window.append(x)
            out.append(None)
            continue
        distance = x - mean
        if len(distances) < first:
            distances.append(distance)
            window = (window + [x])[-depth:] if depth else window
            out.append(None)
            if len(distances) == first:
                seen = first
                high = Tail(numpy.array(distances), tail, kept, shape_min)
                low = Tail(-numpy.array(distances), tail, kept, shape_min)
            continue
        p = min(2 * min(high.probability(distance, seen), low.probability(-distance, seen)), 1.0)
        out.append(float(p))
        if p >= alarm:
            seen += 1
            high.learn(distance)
            low.learn(-distance)
            window = (window + [x])[-depth:] if depth else window
    return out


skewed = random.gamma(2.0, 3.0, 900)
skewed[[500, 700]] = [45.0, 90.0]
walk = 0.02 * numpy.arange(900) + random.standard_t(4, 900)
walk[[600, 800]] = [-30.0, 60.0]
settings = {"first": 200, "tail": 0.05, "kept": 24, "alarm": 1e-4}
streams = {}
for name, values, depth, shape_min in [("spot", skewed, 0, 0.0), ("light", skewed, 0, -0.5), ("dspot", walk, 20, 0.0)]:
    streams[name] = {
        "values": values.tolist(), "depth": depth, "shape_min": shape_min,
        "p_values": stream(values, depth, shape_min=shape_min, **settings),
    }
pathlib.Path(__file__).with_name("peaks.json").write_text(
    json.dumps({"fits": fits(), "settings": settings, "streams": streams}) + "\n"
)
