//! Readings as rows of points.

use theriac_contract::{
    Timestamp,
    telemetry::{PointBuilder, PointKind, PointRow, Temporality, canonical},
};

/// Collects the readings of one instant.
pub(super) struct Readings<'a> {
    pub(super) time: Timestamp,
    /// Canonical resource attributes.
    pub(super) resource: &'a str,
    pub(super) points: &'a mut PointBuilder,
}

impl Readings<'_> {
    /// A level at this instant.
    pub(super) fn gauge(&mut self, name: &str, unit: &str, labels: &[(&str, &str)], value: f64) {
        self.push(name, unit, labels, PointKind::Gauge, value);
    }

    /// A sum that only grows since the machine started.
    pub(super) fn counter(&mut self, name: &str, unit: &str, labels: &[(&str, &str)], value: f64) {
        self.push(name, unit, labels, PointKind::Sum, value);
    }

    fn push(&mut self, name: &str, unit: &str, labels: &[(&str, &str)], kind: PointKind, value: f64) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        let counter = kind == PointKind::Sum;
        self.points.push(&PointRow {
            time: self.time,
            start_time: None,
            resource: self.resource,
            scope: r#"{"name":"theriac.host"}"#,
            name,
            unit,
            attributes: &canonical(&labels),
            kind,
            temporality: if counter { Temporality::Cumulative } else { Temporality::Unspecified },
            monotonic: counter,
            value: value.is_finite().then_some(value),
            histogram: None,
        });
    }
}
