"""Writes forest.json. Takes no package; Java 17 and Maven for AWS's forest, which benches/peers/run fetches:
python3 forest.py JAR, with JAR the path of randomcutforest-core-4.4.0.jar.

exact: the expected score of a query among a few points of one dimension, over all random cut trees
(the recursion is exact: a cut is uniform, so each gap is hit in proportion to its length).
aws: a series, and mean and standard deviation over 12 seeds of the scores of AWS's forest.
half_space: half-space trees written down from the paper, with trees from the same generator.
"""
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction

here = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1


class SplitMix:
    def __init__(self, state):
        self.state = state

    @staticmethod
    def seeded(seed, model, tree):
        random = SplitMix(seed)
        for number in (model, tree):
            drawn = (random.next() + number) & MASK
            random.state ^= drawn
        random.next()
        return random

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, end):
        return ((self.next() >> 32) * end) >> 32

    def unit(self):
        return ((self.next() >> 11) + 0.5) / 9007199254740992.0


def exact(points, query):
    """Expected score, normalised by log2(n + 1)."""
    n = len(points)

    def below(sample, depth):
        if len(sample) == 1:
            if sample[0] == query:
                return (1 - 1 / (2 * n)) / (depth + math.log2(2))
            return 1 / (depth + 1)
        low, high = sample[0], sample[-1]
        outside = max(query - high, low - query, 0)
        chance = outside / (high - low + outside)
        inner = 0.0
        edges = sorted(set(sample) | ({query} if low < query < high else set()))
        for left, right in zip(edges, edges[1:]):
            side = [x for x in sample if (x <= left) == (query <= left)]
            inner += (right - left) / (high - low) * below(side, depth + 1)
        return chance / (depth + 1) + (1 - chance) * inner

    return below(sorted(points), 0) * math.log2(n + 1)


def series(n):
    random = SplitMix(7)
    values = []
    for t in range(n):
        noise = math.sqrt(-2 * math.log(random.unit())) * math.cos(2 * math.pi * random.unit())
        value = 100 + 20 * math.sin(2 * math.pi * t / 240 + 0.3) + 5 * math.sin(4 * math.pi * t / 240 + 1) + 2 * noise
        if t in (700, 1100, 1300):
            value += 40 if t != 1100 else -40
        values.append(round(value, 3))
    return values


def aws(jar, values, seeds):
    with tempfile.TemporaryDirectory() as folder:
        driver = here.parents[2] / "benches/peers/java/ScoreStream.java"
        subprocess.run(["javac", "-nowarn", "-cp", jar, "-d", folder, driver], check=True)
        points = pathlib.Path(folder) / "points"
        points.write_bytes(struct.pack(f">{len(values)}d", *values))
        runs = []
        for seed in seeds:
            out = pathlib.Path(folder) / "scores"
            subprocess.run(["java", "-cp", f"{folder}:{jar}", "ScoreStream", points, out, "50", "8", "256",
                            str(0.1 / 256), str(seed), "1"], check=True, stdout=subprocess.DEVNULL)
            runs.append(struct.unpack(f">{len(values)}d", out.read_bytes()))
        columns = list(zip(*runs))
        mean = [sum(c) / len(c) for c in columns]
        deviation = [math.sqrt(sum((x - m) ** 2 for x in c) / (len(c) - 1)) for c, m in zip(columns, mean)]
        return [round(m, 5) for m in mean], [round(d, 5) for d in deviation]


def half_space(points, trees, height, window, size_limit, seed):
    dimensions = len(points[0])
    forest = []
    for tree in range(trees):
        random = SplitMix.seeded(seed, 0, tree)
        ranges = []
        for _ in range(dimensions):
            s = random.unit()
            reach = 2 * max(s, 1 - s)
            ranges.append((s - reach, s + reach))
        level = [ranges]
        nodes = {}
        number = 0
        for _ in range(height):
            below = []
            for ranges in level:
                q = random.below(dimensions)
                p = 0.5 * (ranges[q][0] + ranges[q][1])
                nodes[number] = (q, p)
                number += 1
                for half in ((ranges[q][0], p), (p, ranges[q][1])):
                    below.append(ranges[:q] + [half] + ranges[q + 1:])
            level = below
        forest.append(nodes)
    reference = [{} for _ in forest]
    latest = [{} for _ in forest]
    low, high = [math.inf] * dimensions, [-math.inf] * dimensions
    scores = []
    for count, point in enumerate(points, 1):
        low = [min(a, b) for a, b in zip(low, point)]
        high = [max(a, b) for a, b in zip(high, point)]
        x = [(v - a) / (b - a) if b > a else 0.0 for v, a, b in zip(point, low, high)]
        total = 0
        for nodes, r, l in zip(forest, reference, latest):
            node, scored = 0, False
            for depth in range(height + 1):
                mass = r.get(node, 0)
                if not scored and (mass <= size_limit or depth == height):
                    total += mass * 2 ** depth
                    scored = True
                l[node] = l.get(node, 0) + 1
                if depth < height:
                    q, p = nodes[node]
                    node = 2 * node + (2 if x[q] >= p else 1)
        scores.append(None if count <= window else 1 / (1 + total / trees / window))
        if count % window == 0:
            reference, latest = latest, [{} for _ in forest]
    return scores


def main():
    samples = [([0.0, 1.0, 3.0, 10.0], 12.0), ([0.0, 1.0, 3.0, 10.0], 5.0), ([0.0, 1.0, 3.0, 10.0], 3.0),
               ([0.0, 1.0, 3.0, 10.0], -7.5), ([2.0, 2.5, 8.0, 9.0], 4.0)]
    assert abs(exact([0.0, 1.0], 2.0) - (Fraction(1, 2) + Fraction(1, 2) / 2) * math.log2(3)) < 1e-12
    values = series(1500)
    mean, deviation = aws(sys.argv[1], values, range(12))
    random = SplitMix(3)
    points = [[random.unit(), random.unit() ** 2 + 3 * (t == 350)] for t in range(400)]
    settings = {"trees": 10, "height": 6, "window": 100, "size_limit": 10, "seed": 5}
    out = {
        "exact": [{"points": p, "query": q, "score": exact(p, q)} for p, q in samples],
        "aws": {"values": values, "mean": mean, "deviation": deviation},
        "half_space": {"points": points, "scores": half_space(points, **settings)},
    }
    (here / "forest.json").write_text(json.dumps(out) + "\n")


main()
