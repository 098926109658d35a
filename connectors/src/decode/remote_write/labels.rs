//! Labels of a series: its name, its resource, its attributes.

use std::sync::Arc;

use theriac_contract::telemetry::{Attributes, canonical};

use super::Version;
use crate::decode::{
    Rows,
    memo::Kind,
    wire::{Fields, Value, room},
};

/// Labels of one series beyond which it is refused, bytes. In 2.0 a label takes two bytes
/// however long it is, so the payload's size is no limit.
const SERIES_BYTES_MAX: usize = 64 << 10;

const UNIT_BYTES_MAX: usize = 1024;

/// Labels of all series of a payload together, bytes.
const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// Name of the label that holds the metric's name.
const NAME: &str = "__name__";

/// What the labels of a series come to.
pub(super) struct Identity<'p> {
    pub(super) name: &'p str,
    pub(super) resource: Arc<str>,
    pub(super) attributes: Arc<str>,
}

/// Reads labels, of 1.0 as they stand in the series, of 2.0 from the table of symbols.
pub(super) struct Labels<'p> {
    version: Version,
    symbols: Vec<&'p [u8]>,
    defaults: &'p Attributes,
    pairs: Vec<(&'p str, &'p str)>,
    references: Vec<u64>,
    key: Vec<u8>,
    /// Bytes of the series before.
    bytes: usize,
}

impl<'p> Labels<'p> {
    pub(super) fn new(version: Version, symbols: Vec<&'p [u8]>, defaults: &'p Attributes) -> Self {
        let (pairs, references, key) = (Vec::new(), Vec::new(), Vec::new());
        Self { version, symbols, defaults, pairs, references, key, bytes: 0 }
    }

    /// Forgets the series before.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
        self.references.clear();
    }

    /// Takes a field of labels of a series.
    pub(super) fn take(&mut self, value: Value<'p>) -> Result<(), String> {
        match self.version {
            Version::One => {
                room("labels", self.pairs.len(), 1)?;
                let (mut name, mut text) = ("", "");
                let mut fields = Fields::new(value.bytes("labels")?);
                while let Some((number, value)) = fields.next()? {
                    match number {
                        1 => name = value.text("labels.name")?,
                        2 => text = value.text("labels.value")?,
                        _ => {}
                    }
                }
                self.pairs.push((name, text));
                Ok(())
            }
            Version::Two => value.varints("labels_refs", &mut self.references, |number| number),
        }
    }

    fn symbol_bytes(&self, reference: u64) -> Result<&'p [u8], String> {
        let symbol = usize::try_from(reference)
            .ok()
            .and_then(|at| self.symbols.get(at))
            .ok_or_else(|| format!("there is no symbol {reference}; there are {}", self.symbols.len()))?;
        Ok(symbol)
    }

    /// The unit that a symbol of 2.0 names.
    pub(super) fn unit(&self, reference: u64) -> Result<&'p str, String> {
        let bytes = self.symbol_bytes(reference)?.len();
        if bytes > UNIT_BYTES_MAX {
            return Err(format!("the unit has {bytes} bytes; the limit is {UNIT_BYTES_MAX}"));
        }
        self.symbol(reference)
    }

    fn symbol(&self, reference: u64) -> Result<&'p str, String> {
        std::str::from_utf8(self.symbol_bytes(reference)?)
            .map_err(|_| format!("symbol {reference} is not UTF-8"))
    }

    /// What was taken since [`Labels::clear`].
    pub(super) fn identity(&mut self, rows: &mut Rows) -> Result<Identity<'p>, String> {
        let (references, rest) = self.references.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("`labels_refs` is odd: it holds names and values in turn".to_owned());
        }
        let mut pairs = std::mem::take(&mut self.pairs);
        let mut bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        for reference in references.as_flattened() {
            bytes = bytes.saturating_add(self.symbol_bytes(*reference)?.len());
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if bytes > SERIES_BYTES_MAX || self.bytes > PAYLOAD_BYTES_MAX {
            return Err(format!(
                "the labels have {bytes} bytes; the limit is {SERIES_BYTES_MAX}, and {PAYLOAD_BYTES_MAX} for all series of a request"
            ));
        }
        for [name, value] in references {
            pairs.push((self.symbol(*name)?, self.symbol(*value)?));
        }
        // A label without a value is a label that is not there.
        pairs.retain(|(_, value)| !value.is_empty());
        let find =
            |wanted: &str| pairs.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let name = find(NAME).ok_or("the series has no label `__name__`")?;
        let resource = self.resource(find("job"), find("instance"), rows);
        pairs.retain(|(name, _)| !matches!(*name, NAME | "job" | "instance"));
        self.write_key(pairs.iter().copied());
        let Ok(attributes) = rows.memo.canonical(Kind::LabelAttributes, &self.key, || {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
            Ok::<_, std::convert::Infallible>(canonical(&pairs.collect()))
        });
        self.pairs = pairs;
        Ok(Identity { name, resource, attributes })
    }

    fn resource(&mut self, job: Option<&str>, instance: Option<&str>, rows: &mut Rows) -> Arc<str> {
        self.write_key(
            [("job", job), ("instance", instance)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let Ok(resource) = rows.memo.canonical(Kind::LabelResource, &self.key, || {
            let mut all = self.defaults.clone();
            if let Some(job) = job {
                // How OpenTelemetry's exporters write service.namespace and service.name.
                match job.split_once('/') {
                    Some((namespace, name))
                        if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
                    {
                        all.insert("service.namespace".to_owned(), namespace.into());
                        all.insert("service.name".to_owned(), name.into());
                    }
                    _ => drop(all.insert("service.name".to_owned(), job.into())),
                }
            }
            if let Some(instance) = instance {
                all.insert("service.instance.id".to_owned(), instance.into());
            }
            Ok::<_, std::convert::Infallible>(canonical(&all))
        });
        resource
    }

    /// Bytes that are equal for equal labels only.
    fn write_key<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        self.key.clear();
        for text in pairs.flat_map(|(name, value)| [name, value]) {
            self.key.extend_from_slice(&(text.len() as u32).to_le_bytes());
            self.key.extend_from_slice(text.as_bytes());
        }
    }
}
