//! The frame of a request: resources, scopes, records.
//!
//! One walk checks that the payload is JSON as a whole, so that nothing of one that is cut off is
//! kept, and finds its records. Attributes that came before are not checked again.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;
use theriac_contract::telemetry::{PointKind, Temporality};

use crate::decode::{
    DecodeError,
    json::{Cursor, Seen},
    memo::{Ahead, Kind, Memo},
    otlp::{
        Signal,
        points::{EXPONENTIAL, GAUGE, HISTOGRAM, SUM, SUMMARY, said_of, temporality},
    },
    wire::room,
};

/// Longer payloads are refused; nothing sends requests of this size.
const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// What the walk knows of a metric whose points it has found.
pub(super) struct Head<'p> {
    pub(super) name: &'p str,
    pub(super) unit: &'p str,
    pub(super) field: &'static str,
    pub(super) kind: PointKind,
    pub(super) temporality: Temporality,
    pub(super) monotonic: bool,
    /// Of [`Frame::points`].
    pub(super) points: Range<usize>,
}

/// A scope and its records, as they are written.
#[derive(Default)]
pub(super) struct ScopeGroup<'p> {
    pub(super) scope: Option<&'p str>,
    pub(super) records: Vec<&'p str>,
    /// Of metrics: for each, what is known of it.
    pub(super) heads: Vec<Option<Head<'p>>>,
}

/// A resource and its scopes.
#[derive(Default)]
pub(super) struct ResourceGroup<'p> {
    pub(super) resource: Option<&'p str>,
    pub(super) scopes: Vec<ScopeGroup<'p>>,
}

/// A request.
#[derive(Default)]
pub(super) struct Frame<'p> {
    /// For each of [`SIGNALS`].
    pub(super) groups: [Vec<ResourceGroup<'p>>; 3],
    /// Points of metrics whose heads are known.
    pub(super) points: Vec<&'p str>,
}

/// In the order in which their rows are made.
pub(super) const SIGNALS: [Signal; 3] = [Signal::Points, Signal::Logs, Signal::Spans];

/// Finds the records of a payload.
///
/// # Errors
/// If it is no request.
pub(super) fn frame<'p>(text: &'p str, memo: &Memo, by_objects: bool) -> Result<Frame<'p>, DecodeError> {
    if text.len() > PAYLOAD_BYTES_MAX {
        return Err(DecodeError::new(format!(
            "the payload has {} bytes; the limit is {PAYLOAD_BYTES_MAX}: send smaller batches",
            text.len()
        )));
    }
    let mut walk = Walk {
        cursor: Cursor::new(text),
        ahead: memo.ahead(Kind::Attributes),
        memo,
        frame: Frame::default(),
    };
    let frame = match walk.request() {
        Some(()) if !by_objects => walk.frame,
        _ => parsed(text)?,
    };
    let (mut resources, mut records) = (0, 0);
    for group in frame.groups.iter().flatten() {
        resources += 1;
        records += group.scopes.iter().map(|scope| scope.records.len()).sum::<usize>();
    }
    let limits = room("resources", resources, 0).and_then(|()| room("records", records, 0));
    limits.map_err(|reason| DecodeError::new(format!("not an OTLP/JSON request: {reason}")))?;
    Ok(frame)
}

struct Walk<'p, 'm> {
    cursor: Cursor<'p>,
    ahead: Ahead,
    memo: &'m Memo,
    frame: Frame<'p>,
}

impl<'p> Walk<'p, '_> {
    fn request(&mut self) -> Option<()> {
        let mut members = self.cursor.object()?;
        let (mut seen, mut any) = (Seen::default(), false);
        while let Some(key) = members.key(&mut self.cursor)? {
            let Some(at) = SIGNALS.iter().position(|signal| signal.lists()[0] == key) else {
                self.cursor.skip()?;
                continue;
            };
            seen.once(at as u32)?;
            any = true;
            let mut entries = self.cursor.array()?;
            while entries.entry(&mut self.cursor)? {
                let group = self.resource_group()?;
                self.frame.groups[at].push(group);
            }
        }
        self.cursor.end().filter(|()| any)
    }

    /// As serde does, it takes the lists of any signal in a group of any other.
    fn resource_group(&mut self) -> Option<ResourceGroup<'p>> {
        let mut group = ResourceGroup::default();
        let mut seen = Seen::default();
        let mut members = self.cursor.object()?;
        while let Some(key) = members.key(&mut self.cursor)? {
            match key {
                "resource" => {
                    seen.once(0)?;
                    group.resource = Some(self.cursor.raw()?);
                }
                "scopeMetrics" | "scopeLogs" | "scopeSpans" => {
                    seen.once(1)?;
                    let mut entries = self.cursor.array()?;
                    while entries.entry(&mut self.cursor)? {
                        group.scopes.push(self.scope_group()?);
                    }
                }
                // What serde knows by the name of its field.
                "scopes" => return None,
                _ => self.cursor.skip()?,
            }
        }
        Some(group)
    }

    fn scope_group(&mut self) -> Option<ScopeGroup<'p>> {
        let mut group = ScopeGroup::default();
        let mut seen = Seen::default();
        let mut members = self.cursor.object()?;
        while let Some(key) = members.key(&mut self.cursor)? {
            match key {
                "scope" => {
                    seen.once(0)?;
                    group.scope = Some(self.cursor.raw()?);
                }
                "metrics" => {
                    seen.once(1)?;
                    let mut entries = self.cursor.array()?;
                    while entries.entry(&mut self.cursor)? {
                        self.cursor.peek()?;
                        let (start, points) = (self.cursor, self.frame.points.len());
                        let head = self.metric();
                        if head.is_none() {
                            self.frame.points.truncate(points);
                            self.cursor = start;
                            self.cursor.skip()?;
                        }
                        group.records.push(start.until(&self.cursor)?);
                        group.heads.push(head);
                    }
                }
                "logRecords" | "spans" => {
                    seen.once(1)?;
                    let mut entries = self.cursor.array()?;
                    while entries.entry(&mut self.cursor)? {
                        group.records.push(self.record()?);
                    }
                }
                "records" => return None,
                _ => self.cursor.skip()?,
            }
        }
        Some(group)
    }

    /// Passes over a record, and quickly over attributes that are known.
    fn record(&mut self) -> Option<&'p str> {
        if self.cursor.peek()? != b'{' {
            return self.cursor.raw();
        }
        let start = self.cursor;
        let mut members = self.cursor.object()?;
        while let Some(key) = members.key(&mut self.cursor)? {
            if key == "attributes" {
                self.attributes()?;
            } else {
                self.cursor.skip()?;
            }
        }
        start.until(&self.cursor)
    }

    fn attributes(&mut self) -> Option<()> {
        self.cursor.peek()?;
        let length = self.memo.ahead_foreseen(&mut self.ahead, self.cursor.rest());
        if length > 0 {
            self.cursor.pass(length);
        } else {
            let raw = self.cursor.raw()?;
            self.memo.ahead_met(&mut self.ahead, raw.as_bytes());
        }
        Some(())
    }

    /// The metric that comes next, and its points.
    fn metric(&mut self) -> Option<Head<'p>> {
        let first = self.frame.points.len();
        let mut head = Head {
            name: "",
            unit: "",
            field: "",
            kind: PointKind::Gauge,
            temporality: Temporality::Unspecified,
            monotonic: false,
            points: first..first,
        };
        let mut seen = Seen::default();
        let mut members = self.cursor.object()?;
        while let Some(key) = members.key(&mut self.cursor)? {
            let (field, kind) = match key {
                "name" => {
                    seen.once(0)?;
                    head.name = self.cursor.plain()?;
                    continue;
                }
                "unit" => {
                    seen.once(1)?;
                    head.unit = self.cursor.plain()?;
                    continue;
                }
                "gauge" => GAUGE,
                "sum" => SUM,
                "histogram" => HISTOGRAM,
                "exponentialHistogram" => EXPONENTIAL,
                "summary" => SUMMARY,
                _ => {
                    self.cursor.skip()?;
                    continue;
                }
            };
            // A metric has data of one kind.
            seen.once(2)?;
            (head.field, head.kind) = (field, kind);
            self.data(&mut head)?;
        }
        head.points = first..self.frame.points.len();
        (!head.name.is_empty() && !head.field.is_empty()).then_some(head)
    }

    fn data(&mut self, head: &mut Head<'p>) -> Option<()> {
        let mut seen = Seen::default();
        let mut members = self.cursor.object()?;
        while let Some(key) = members.key(&mut self.cursor)? {
            match key {
                "dataPoints" => {
                    seen.once(0)?;
                    let mut entries = self.cursor.array()?;
                    while entries.entry(&mut self.cursor)? {
                        let point = self.record()?;
                        self.frame.points.push(point);
                    }
                }
                "aggregationTemporality" => {
                    seen.once(1)?;
                    head.temporality = temporality(self.cursor.signed()?)?;
                }
                "isMonotonic" => {
                    seen.once(2)?;
                    head.monotonic = self.cursor.truth()?;
                }
                _ => self.cursor.skip()?,
            }
        }
        (head.temporality, head.monotonic) = said_of(head.kind, head.temporality, head.monotonic);
        Some(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parsed<'a> {
    #[serde(borrow, default)]
    resource_metrics: Option<Vec<ParsedResource<'a>>>,
    #[serde(borrow, default)]
    resource_logs: Option<Vec<ParsedResource<'a>>>,
    #[serde(borrow, default)]
    resource_spans: Option<Vec<ParsedResource<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParsedResource<'a> {
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "scopeMetrics", alias = "scopeLogs", alias = "scopeSpans")]
    scopes: Option<Vec<ParsedScope<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParsedScope<'a> {
    #[serde(borrow, default)]
    scope: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "metrics", alias = "logRecords", alias = "spans")]
    records: Option<Vec<&'a RawValue>>,
}

impl<'p> From<ParsedResource<'p>> for ResourceGroup<'p> {
    fn from(parsed: ParsedResource<'p>) -> Self {
        let scopes = parsed.scopes.unwrap_or_default().into_iter().map(|scope| ScopeGroup {
            scope: scope.scope.map(RawValue::get),
            records: scope.records.unwrap_or_default().into_iter().map(RawValue::get).collect(),
            heads: Vec::new(),
        });
        Self { resource: parsed.resource.map(RawValue::get), scopes: scopes.collect() }
    }
}

/// What serde_json finds in a request, however it is written.
fn parsed(text: &str) -> Result<Frame<'_>, DecodeError> {
    let request: Parsed<'_> = serde_json::from_str(text)
        .map_err(|error| DecodeError::new(format!("not an OTLP/JSON request: {error}")))?;
    let lists = [request.resource_metrics, request.resource_logs, request.resource_spans];
    if lists.iter().all(Option::is_none) && text.trim() != "{}" {
        return Err(DecodeError::new(
            "not an OTLP/JSON request: it has none of `resourceMetrics`, `resourceLogs`, `resourceSpans` (names are lowerCamelCase)",
        ));
    }
    let groups = lists.map(|list| list.unwrap_or_default().into_iter().map(ResourceGroup::from).collect());
    Ok(Frame { groups, points: Vec::new() })
}
