//! A batch of spans, with what was found for each entry of its dictionaries.

use arrow::array::Array;
use theriac_contract::{
    Entity,
    telemetry::{SpanKind, SpanStatus, Spans},
};

use crate::{
    bucket::SpanRow,
    counts::Counts,
    index::Index,
    settings::Settings,
    traces::{
        asked::Asked,
        asking::Names,
        catalog::{Catalog, Tie},
        ids::NONE,
        sampling,
        sketch::WHOLE,
    },
};

/// A resource that there was no room for.
const REFUSED: u32 = NONE - 1;

/// Whether somebody asked already, and what was told.
type Told = Option<Option<u64>>;

/// Reads the rows of a batch; each text is looked up once.
pub(crate) struct SpanReader<'a> {
    pub(crate) spans: Spans<'a>,
    /// By key of the column; [`NONE`] where nobody asked yet.
    resources: Vec<u32>,
    names: Vec<Option<u32>>,
    said: Vec<Option<Asked>>,
    /// The resource that called, and the call of an instance, by attributes.
    placed: Vec<Option<(u32, Option<u32>)>>,
    /// What trace states say of sampling, and attributes.
    weights: Vec<Told>,
    rates: Vec<Told>,
    /// Who asks, and what for, by attributes.
    asking: Vec<Option<Names>>,
}

fn bytes<const N: usize>(slice: &[u8]) -> [u8; N] {
    slice.try_into().unwrap_or([0; N])
}

impl<'a> SpanReader<'a> {
    pub(crate) fn new(spans: Spans<'a>) -> Self {
        Self {
            resources: vec![NONE; spans.resource.values().len()],
            names: vec![None; spans.name.values().len()],
            said: vec![None; spans.attributes.values().len()],
            placed: vec![None; spans.attributes.values().len()],
            weights: vec![None; spans.trace_state.values().len()],
            rates: vec![None; spans.attributes.values().len()],
            asking: vec![None; spans.attributes.values().len()],
            spans,
        }
    }

    /// The resource of a row; none if there are too many.
    #[inline]
    pub(crate) fn resource(&mut self, row: usize, index: &mut Index, settings: &Settings) -> Option<u32> {
        let known = &mut self.resources[self.spans.resource.keys()[row] as usize];
        if *known == NONE {
            *known = index.resource(self.spans.resource.text(row), settings).unwrap_or(REFUSED);
        }
        (*known != REFUSED).then_some(*known)
    }

    /// Who asks, and what for.
    #[inline]
    pub(crate) fn names(&mut self, row: usize, settings: &Settings) -> &Names {
        let key = self.spans.attributes.keys()[row] as usize;
        let attributes = self.spans.attributes.text(row);
        self.asking[key].get_or_insert_with(|| Names::of(attributes, &settings.askers, &settings.keys))
    }

    /// The call of the instance that a row reached or should have reached, if it names it beside its service.
    pub(crate) fn placed(
        &mut self,
        row: usize,
        resource: u32,
        catalog: &mut Catalog,
        index: &Index,
        settings: &Settings,
    ) -> Option<u32> {
        let key = self.spans.attributes.keys()[row] as usize;
        let said = self.said[key].as_ref()?;
        if let Some((asked_by, known)) = self.placed[key]
            && asked_by == resource
        {
            return known;
        }
        let (peer, instance, from) = (said.peer.as_ref()?, said.instance.as_ref()?, index.at(resource));
        let instance = Entity::instance(peer, instance);
        let call = catalog.call(from.entity, from.service, instance.as_str(), Tie::Call, settings);
        self.placed[key] = Some((resource, call));
        call
    }

    /// What is kept of a row.
    #[inline]
    pub(crate) fn row(
        &mut self,
        row: usize,
        resource: u32,
        catalog: &mut Catalog,
        index: &Index,
        counts: &mut Counts,
        settings: &Settings,
    ) -> SpanRow {
        let spans = &self.spans;
        let kind = spans.kind.value(row);
        let (start, end) = (spans.start.value(row), spans.end.value(row));
        let name = &mut self.names[spans.name.keys()[row] as usize];
        if name.is_none() {
            *name = catalog.names.get(spans.name.text(row));
        }
        let operation = catalog.operation(resource, *name, spans.name.text(row), index, counts, settings);
        let weight = &mut self.weights[spans.trace_state.keys()[row] as usize];
        let rate = &mut self.rates[spans.attributes.keys()[row] as usize];
        let weight = *weight.get_or_insert_with(|| sampling::weight(spans.trace_state.text(row)));
        let rate = || *rate.get_or_insert_with(|| sampling::rate(spans.attributes.text(row)));
        let mut kept = SpanRow {
            trace: u128::from_be_bytes(bytes(spans.trace_id.value(row))),
            span: u64::from_be_bytes(bytes(spans.span_id.value(row))),
            kind,
            end,
            parent: if spans.parent_span_id.is_null(row) {
                0
            } else {
                u64::from_be_bytes(bytes(spans.parent_span_id.value(row)))
            },
            nanoseconds: end.saturating_sub(start).max(0),
            weight: weight.or_else(rate).unwrap_or(WHOLE),
            operation,
            call: NONE,
            error: spans.status.value(row) == SpanStatus::Error as u8,
            resend: false,
            met: false,
            counted: false,
        };
        let consumes = kind == SpanKind::Consumer as u8;
        if kind == SpanKind::Client as u8 || kind == SpanKind::Producer as u8 || consumes {
            let key = spans.attributes.keys()[row] as usize;
            let said = self.said[key].get_or_insert_with(|| Asked::of(spans.attributes.text(row)));
            kept.resend = said.resend;
            let named =
                if consumes { said.queue.as_ref().map(|queue| (queue, Tie::Consume)) } else { said.call() };
            if let Some((peer, tie)) = named {
                let from = index.at(resource);
                match catalog.call(from.entity, from.service, peer, tie, settings) {
                    Some(call) => kept.call = call,
                    None => counts.shed_series += 1,
                }
            }
        }
        kept
    }
}
