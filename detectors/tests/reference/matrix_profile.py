"""Writes matrix_profile.json: pip install numpy==2.4.6 stumpy==1.14.1.

The left matrix profile of stumpy.stumpi(egress=False), value by value, over series that are
random, periodic with a broken period, constant in parts, far from zero, and with gaps.
"""
import json
import pathlib

import numpy
import stumpy

WINDOW = 24
random = numpy.random.default_rng(4)
t = numpy.arange(700)
periodic = numpy.sin(2 * numpy.pi * t / 50) + 0.1 * random.normal(size=700)
periodic[430:445] = periodic[430]
steps = numpy.round(random.normal(size=700).cumsum() / 4)
steps[200:260] = 3.0
steps[500:540] = -2.0
gaps = random.normal(size=700)
gaps[random.integers(0, 700, 4)] = numpy.nan
cases = {
    "walk": random.normal(size=700).cumsum(),
    "periodic": periodic,
    "steps": steps,
    "far": 1e6 + periodic,
    "gaps": gaps,
}
out = {"window": WINDOW, "cases": {}}
for name, values in cases.items():
    stream = stumpy.stumpi(values[:WINDOW + 8], m=WINDOW, egress=False)
    for value in values[WINDOW + 8:]:
        stream.update(value)
    profile = stream.left_P_.astype(float)
    out["cases"][name] = {
        "values": [None if numpy.isnan(x) else float(x) for x in values],
        "left_profile": [float(x) if numpy.isfinite(x) else None for x in profile],
        "left_index": [int(i) for i in stream.left_I_],
    }
pathlib.Path(__file__).with_name("matrix_profile.json").write_text(json.dumps(out) + "\n")
