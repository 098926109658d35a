//! One series: its samples and native histograms as points.

use theriac_contract::{
    Timestamp,
    telemetry::{Histogram, PointKind, PointRow, Temporality},
};

use super::{
    Version, histogram,
    labels::{Identity, Labels},
};
use crate::decode::{Rows, noted::Noted, wire::Fields};

/// The NaN that says that a series has ended; other NaNs are values that are none.
pub(super) const STALE: u64 = 0x7ff0_0000_0000_0002;

/// An instant of Prometheus: milliseconds.
pub(super) fn instant(millis: i64, name: &str) -> Result<Timestamp, String> {
    let nanos = millis
        .checked_mul(1_000_000)
        .ok_or_else(|| format!("`{name}` {millis} lies beyond the year 2262"))?;
    Ok(Timestamp(nanos))
}

/// What a series says of itself in 2.0.
#[derive(Default)]
struct Metadata {
    /// 1 counter, 2 gauge, 3 histogram, 4 gauge histogram, 5 summary, 6 info, 7 state set.
    kind: u64,
    unit: u64,
    created: i64,
}

impl Metadata {
    fn read(&mut self, raw: &[u8]) -> Result<(), String> {
        let mut fields = Fields::new(raw);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => self.kind = value.varint("metadata.type")?,
                4 => self.unit = value.varint("metadata.unit_ref")?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether samples of a series of this name only grow.
    fn is_counter(&self, name: &str) -> bool {
        let endings: &[&str] = match self.kind {
            1 => return true,
            // Of a histogram or summary and of what is not said, the endings tell.
            0 | 3 | 5 => &["_total", "_count", "_sum", "_bucket"],
            _ => &[],
        };
        endings.iter().any(|ending| name.ends_with(ending))
    }
}

/// Units as Prometheus spells them out and as UCUM does, which OpenTelemetry uses.
fn unit(spelled: &str) -> &str {
    const UNITS: [(&str, &str); 14] = [
        ("seconds", "s"),
        ("milliseconds", "ms"),
        ("microseconds", "us"),
        ("nanoseconds", "ns"),
        ("minutes", "min"),
        ("hours", "h"),
        ("days", "d"),
        ("bytes", "By"),
        ("ratio", "1"),
        ("percent", "%"),
        ("celsius", "Cel"),
        ("hertz", "Hz"),
        ("volts", "V"),
        ("watts", "W"),
    ];
    UNITS.iter().find(|(known, _)| *known == spelled).map_or(spelled, |(_, unit)| unit)
}

/// Adds the points of a series.
pub(super) fn decode<'p>(
    raw: &'p [u8],
    version: Version,
    labels: &mut Labels<'p>,
    at: usize,
    noted: &mut Noted<'_>,
    rows: &mut Rows,
) -> Result<(), String> {
    labels.clear();
    let (_, histograms) = version.numbers();
    let mut metadata = Metadata::default();
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match (number, version) {
            (1, _) => labels.take(value)?,
            (5, Version::Two) => metadata.read(value.bytes("metadata")?)?,
            // Before 2.0-rc.4; since then each sample says it.
            (6, Version::Two) => metadata.created = value.varint("created_timestamp")? as i64,
            _ => {}
        }
    }
    let identity = labels.identity(rows)?;
    let unit = match metadata.unit {
        0 => "",
        reference => unit(labels.unit(reference)?),
    };
    let series =
        Series { counter: metadata.is_counter(identity.name), identity, unit, created: metadata.created };
    let (mut samples, mut natives) = (0, 0);
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        if number == 2 {
            let raw = value.bytes("samples")?;
            if let Err(reason) = series.sample(raw, rows) {
                let path = || format!("timeseries[{at}].samples[{samples}]");
                noted.note(&mut rows.bad, raw, path, series.reason(reason));
            }
            samples += 1;
        } else if number == histograms {
            let raw = value.bytes("histograms")?;
            if let Err(reason) = series.native(raw, rows) {
                let path = || format!("timeseries[{at}].histograms[{natives}]");
                noted.note(&mut rows.bad, raw, path, series.reason(reason));
            }
            natives += 1;
        }
    }
    Ok(())
}

/// What the points of a series share.
struct Series<'p> {
    identity: Identity<'p>,
    unit: &'p str,
    counter: bool,
    created: i64,
}

impl Series<'_> {
    fn reason(&self, reason: String) -> String {
        format!("metric `{}`: {reason}", self.identity.name)
    }

    fn sample(&self, raw: &[u8], rows: &mut Rows) -> Result<(), String> {
        let (mut given, mut time, mut start) = (0.0, 0, self.created);
        let mut fields = Fields::new(raw);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => given = value.double("value")?,
                2 => time = value.varint("timestamp")? as i64,
                3 => start = value.varint("start_timestamp")? as i64,
                _ => {}
            }
        }
        if given.is_infinite() {
            return Err("the value is infinite".to_owned());
        }
        let (kind, temporality) = if self.counter {
            (PointKind::Sum, Temporality::Cumulative)
        } else {
            (PointKind::Gauge, Temporality::Unspecified)
        };
        // The marker of a series' end is a NaN too: a point without value.
        let value = (!given.is_nan()).then_some(given);
        self.push(time, start, (kind, temporality), value, None, rows)
    }

    fn native(&self, raw: &[u8], rows: &mut Rows) -> Result<(), String> {
        let native = histogram::decode(raw)?;
        let temporality = if native.gauge { Temporality::Unspecified } else { Temporality::Cumulative };
        let start = if native.start == 0 { self.created } else { native.start };
        let kind = (PointKind::Histogram, temporality);
        self.push(native.time, start, kind, None, native.histogram.as_ref(), rows)
    }

    fn push(
        &self,
        time: i64,
        start: i64,
        (kind, temporality): (PointKind, Temporality),
        value: Option<f64>,
        histogram: Option<&Histogram>,
        rows: &mut Rows,
    ) -> Result<(), String> {
        if time == 0 {
            return Err("`timestamp` is missing".to_owned());
        }
        // A gauge covers an instant, whatever its exporter says.
        let covers = start != 0 && kind != PointKind::Gauge;
        rows.points.push(&PointRow {
            time: instant(time, "timestamp")?,
            start_time: covers.then(|| instant(start, "start_timestamp")).transpose()?,
            resource: &self.identity.resource,
            scope: "{}",
            name: self.identity.name,
            unit: self.unit,
            attributes: &self.identity.attributes,
            kind,
            temporality,
            monotonic: kind == PointKind::Sum,
            value,
            histogram,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_by_type_or_ending() {
        let of = |kind, name| Metadata { kind, ..Metadata::default() }.is_counter(name);
        assert!(of(1, "requests") && !of(2, "requests_total") && !of(4, "size_bucket"));
        for kind in [0, 3, 5] {
            assert!(of(kind, "a_total") && of(kind, "a_count") && of(kind, "a_sum") && of(kind, "a_bucket"));
            assert!(!of(kind, "a_seconds"));
        }
    }

    #[test]
    fn units_are_abbreviated() {
        assert_eq!(["seconds", "bytes", "parsecs", ""].map(unit), ["s", "By", "parsecs", ""]);
    }

    #[test]
    fn instants_have_limits() {
        assert_eq!(instant(-1, "timestamp"), Ok(Timestamp(-1_000_000)));
        assert!(instant(i64::MAX / 1000, "timestamp").unwrap_err().contains("2262"));
    }
}
