"""Left matrix profile by stumpy, of the values of a file: what its streams and batches cost, and the distances, as JSON.

`stumpy_profile.py FILE WINDOW HISTORY`: the values after the first HISTORY arrive one by one, the oldest leave.
"""

import json
import sys
import time

import numpy
import stumpy

values = numpy.array([float(line) for line in open(sys.argv[1], encoding="utf-8")])
window, history = int(sys.argv[2]), int(sys.argv[3])


def compiled():
    """Both are compiled at their first use."""
    stream = stumpy.stumpi(values[: 4 * window], m=window, egress=True)
    stream.update(0.5)
    stumpy.stump(values[: 4 * window], m=window)


def seconds(what):
    begin = time.process_time()
    result = what()
    return time.process_time() - begin, result


compiled()
stream = stumpy.stumpi(values[:history], m=window, egress=True)
distances = []


def arrive():
    for value in values[history:]:
        stream.update(value)
        distances.append(float(stream.left_P_[-1]))


streamed, _ = seconds(arrive)
anew, _ = seconds(lambda: stumpy.stump(values[:history], m=window))
print(json.dumps({"points_per_s": (len(values) - history) / streamed, "stump_s": anew, "distances": distances}))
