"""Writes spectral.json: pip install numpy==2.4.6.

The spectral residual by numpy.fft over sliding windows, of the newest value alone, with the
estimated values of the released code of Ren et al. 2019 after it (predict_next: from the values
before the newest one, five times).
"""
import json
import pathlib

import numpy

random = numpy.random.default_rng(8)
LOCAL, EXTENSION, SLOPES = 21, 5, 5


def score(values, local):
    """Of the last of the values, which together with the estimated ones are a window."""
    before = values[:-1]
    known = before[-SLOPES - 1:]
    slopes = [(known[-1] - known[i]) / (SLOPES - i) for i in range(SLOPES)]
    extended = numpy.concatenate([values, [known[1] + sum(slopes)] * EXTENSION])
    spectrum = numpy.fft.fft(extended - before.mean())
    spectrum[0] = 0
    magnitude = abs(spectrum)
    logarithm = numpy.log(numpy.maximum(magnitude, 1e-8 * magnitude.max()))
    logarithm[0] = logarithm[1]
    average = (numpy.roll(logarithm, 1) + logarithm + numpy.roll(logarithm, -1)) / 3
    phase = numpy.exp(1j * numpy.angle(spectrum))
    residual = numpy.where(magnitude > 0, numpy.exp(numpy.log(numpy.maximum(magnitude, 1e-300)) - average), 0)
    saliency = abs(numpy.fft.ifft(residual * phase))
    at = len(values) - 1
    usual = saliency[at - local:at].mean()
    return max(saliency[at] / usual - 1, 0)


cases = []
for window in [32, 64, 128, 256]:
    t = numpy.arange(400)
    values = 1e3 + 5 * numpy.sin(2 * numpy.pi * t / 24) + random.normal(size=400)
    values[[300, 350]] += [25, -12]
    known = window - EXTENSION
    local = min(LOCAL, window // 2)
    scores = [None] * (known - 1) + [score(values[i - known:i], local) for i in range(known, 401)]
    cases.append({"window": window, "values": values.tolist(), "scores": scores})
pathlib.Path(__file__).with_name("spectral.json").write_text(json.dumps(cases) + "\n")
