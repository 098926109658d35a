"""Writes seasonal.json: pip install numpy==2.4.6 statsmodels==0.15.0 tzdata==2026.6.

Values each 20 minutes for six weeks across both changes of the clocks of 2025 in Berlin, with a
season of the day that follows the clock on the wall, quiet Sundays, and a holiday in the last week. `expected` is
the forecast of the plain recursion below, null where there is none; civil time is that of zoneinfo.
With one value in a half hour, the season of the day alone and gains that have settled, it is
statsmodels' additive Holt-Winters without a trend.
"""
import datetime
import json
import pathlib
import zoneinfo

import numpy
from statsmodels.tsa.holtwinters import ExponentialSmoothing

LEVEL, SHIFT, DAY, WEEK, COMPARED = 48.0, 336.0, 14.0, 8.0, 28.0
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def bounded(error, usual):
    size = min(abs(error), 3 * usual + 0.001 * abs(error))
    return size if error >= 0 else -size


class Smoothed:
    def __init__(self):
        self.value, self.seen = 0.0, 0

    def follow(self, error, memory):
        self.value += error / min(self.seen + 1, memory)
        self.seen += 1


class Comparison:
    def __init__(self):
        self.mean, self.seen = [0.0, 0.0], 0

    def learn(self, errors, memory):
        for i, error in enumerate(errors):
            error = error if self.seen < 7 else bounded(error, self.mean[i] ** 0.5)
            self.mean[i] += (error**2 - self.mean[i]) / min(self.seen + 1, memory)
        self.seen += 1

    def helps(self, needs):
        return self.seen >= needs and self.mean[1] < 0.9 * self.mean[0]


class Seasonal:
    def __init__(self, zone, holidays):
        self.zone, self.holidays = zone, holidays
        self.level, self.middle, self.shift = Smoothed(), Smoothed(), 0.0
        self.day = [Smoothed() for _ in range(48)]
        self.week = [Smoothed() for _ in range(7)]
        self.by_day, self.by_week = Comparison(), Comparison()
        self.values, self.passed, self.errors, self.last = [], [], [], None

    def weekday(self, date):
        return 6 if date in self.holidays else date.weekday()

    def weekly(self, date):
        return self.week[self.weekday(date)].value if self.by_week.helps(7) else 0.0

    def forecast(self, date, slot, passed):
        if not self.by_day.helps(48):
            return self.level.value + self.weekly(date) if self.by_week.helps(7) else None
        if self.day[slot].seen == 0:
            return None
        own, beyond = self.day[slot].value, passed - self.middle.value
        next_slot = self.day[(slot - 1 if beyond < 0 else slot + 1) % 48]
        towards = next_slot.value if next_slot.seen else own
        return self.shift + own + abs(beyond) * (towards - own) + self.weekly(date)

    def turn(self, date, slot, day_over):
        value, weekly = numpy.mean(self.values), self.weekly(date)
        of_level = value - self.level.value if self.level.seen else None
        own = self.day[slot]
        of_day = value - self.shift - own.value if own.seen else None
        error = of_day if self.by_day.helps(48) else of_level
        if error is not None:
            self.errors.append(error)
        usual = [x**0.5 if self.by_day.seen >= 48 else numpy.inf for x in self.by_day.mean]
        if of_level is not None and of_day is not None:
            self.by_day.learn([of_level - weekly, of_day - weekly], SHIFT)
        self.level.follow(bounded((value if of_level is None else of_level) - weekly, usual[0]), LEVEL)
        if of_day is not None:
            error = bounded(of_day - weekly, usual[1])
            self.shift += error / SHIFT
            own.follow(error, DAY)
        else:
            own.follow(value - self.shift - weekly, DAY)
        if day_over and self.errors:
            error, own = numpy.mean(self.errors), self.week[self.weekday(date)]
            usual = self.by_week.mean[0] ** 0.5 if self.by_week.seen >= 7 else numpy.inf
            if own.seen:
                self.by_week.learn([error, error - own.value], COMPARED)
            own.follow(bounded(error - own.value, usual), WEEK)
            self.errors = []
        self.middle.follow(numpy.mean(self.passed) - self.middle.value, SHIFT)
        self.values, self.passed = [], []

    def update(self, at, value):
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        date, slot, passed = local.date(), minute // 30, minute % 30 / 30
        if self.last is not None and self.last != (date, slot):
            self.turn(*self.last, self.last[0] != date)
        self.last = (date, slot)
        expected = self.forecast(date, slot, passed)
        self.values.append(value)
        self.passed.append(passed)
        return expected


def load(at, holidays, random):
    local = at.astimezone(BERLIN)
    hour = local.hour + local.minute / 60
    shape = 60 * numpy.exp(-(((hour - 10) / 2.5) ** 2)) + 40 * numpy.exp(-(((hour - 18) / 2) ** 2))
    quiet = 25 if local.weekday() == 6 or local.date() in holidays else 0
    return round(200 + shape - quiet + random.normal(0, 3), 2)


def story(first, holiday, random):
    begin = datetime.datetime.fromisoformat(first)
    holidays = {datetime.date.fromisoformat(holiday)}
    model = Seasonal(BERLIN, holidays)
    values, expected = [], []
    for step in range(42 * 72):
        at = begin + datetime.timedelta(minutes=20 * step)
        values.append(load(at, holidays, random))
        found = model.update(at, values[-1])
        expected.append(None if found is None else round(float(found), 6))
    assert model.by_day.helps(48) and model.by_week.helps(7)
    return {"begin": first, "holidays": [holiday], "values": values, "expected": expected}


def same_as_statsmodels(random):
    begin = datetime.datetime.fromisoformat("2025-01-06T00:00:00+00:00")
    model = Seasonal(datetime.timezone.utc, set())
    slots = numpy.arange(30 * 48)
    values = 50 + 20 * numpy.sin(slots * 2 * numpy.pi / 48) + random.uniform(-1, 1, len(slots))  # None is bounded.
    known = 20 * 48
    forecasts = []
    for i, value in enumerate(values):
        forecasts.append(model.update(begin + datetime.timedelta(minutes=30 * i), value))
        if i == known:
            level, season = model.shift, [smoothed.value for smoothed in model.day]
    assert not model.by_week.helps(7)
    fit = ExponentialSmoothing(
        values[known:], seasonal="add", seasonal_periods=48, initialization_method="known", initial_level=level, initial_seasonal=season
    ).fit(smoothing_level=1 / SHIFT, smoothing_seasonal=1 / DAY, optimized=False)
    assert numpy.allclose(fit.fittedvalues, forecasts[known:], atol=1e-9)


random = numpy.random.default_rng(23)
same_as_statsmodels(random)
out = {
    "spring": story("2025-02-24T23:00:00+00:00", "2025-04-04", random),
    "autumn": story("2025-09-28T22:00:00+00:00", "2025-11-05", random),
}
pathlib.Path(__file__).with_name("seasonal.json").write_text(json.dumps(out) + "\n")
