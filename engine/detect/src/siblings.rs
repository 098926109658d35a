//! Siblings: the series of other instances of a service that measure the same. A new replica
//! behaves like those that are there, so it need not be learnt from nothing.

use std::collections::BTreeMap;

use theriac_contract::{Series, SeriesId};

/// What a series of an instance measures, the same for all instances of its service; none for what
/// is of no instance.
pub(crate) fn kind(series: &Series) -> Option<String> {
    let peer = series.peer.as_ref().map_or("", |peer| peer.0.as_str());
    let parts =
        [&series.domain, series.entity.service(), peer, &series.signal, &series.unit, &series.attributes];
    series.entity.is_instance().then(|| parts.join("\u{1f}"))
}

/// Series that can be begun like, by what they measure.
#[derive(Default)]
pub(crate) struct Siblings {
    by_kind: BTreeMap<String, Vec<SeriesId>>,
}

impl Siblings {
    /// Takes in a series of an instance; gives those that measure the same at other instances of
    /// its service, the oldest first.
    pub(crate) fn admit(&mut self, id: SeriesId, series: &Series) -> &[SeriesId] {
        let Some(kind) = kind(series) else { return &[] };
        let alike = self.by_kind.entry(kind).or_default();
        alike.push(id);
        &alike[..alike.len() - 1]
    }
}
