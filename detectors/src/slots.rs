//! Many models of one kind, each in a slot.

use std::sync::Arc;

use arrow::{
    array::{Array, Float64Array, LargeListArray, RecordBatch, UInt32Array},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Schema},
};
use theriac_contract::{Checkpointed, StateError, StateTable};

/// A model whose state can be written as numbers.
pub trait Model: Sized + Send {
    /// Name of the table of its state.
    const TABLE: &'static str;
    /// Version of the layout of its state.
    const VERSION: u16;
    /// What a model is made from.
    type Settings: Clone + Send;

    /// A model of which nothing was seen, for rows of `channels` values.
    fn empty(settings: &Self::Settings, channels: usize) -> Self;

    /// Number of values in a row.
    fn channels(&self) -> usize;

    /// Appends the state; counters are below 2^53, so that they are exact.
    fn save(&self, numbers: &mut Vec<f64>);

    /// Takes over what [`Model::save`] wrote; none if there is too little of it.
    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()>;
}

/// Numbers of a saved state, from the first on.
#[derive(Debug)]
pub struct Numbers<'a>(&'a [f64]);

impl<'a> Numbers<'a> {
    /// All of `numbers`.
    #[must_use]
    pub fn new(numbers: &'a [f64]) -> Self {
        Self(numbers)
    }

    /// The next number.
    pub fn one(&mut self) -> Option<f64> {
        self.array().map(|[number]| number)
    }

    /// The next N numbers.
    pub fn array<const N: usize>(&mut self) -> Option<[f64; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// The next number as a whole number of at most `most`.
    pub fn index(&mut self, most: usize) -> Option<usize> {
        let index = self.one()?;
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let within = (0.0..=most as f64).contains(&index);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within bounds")]
        within.then_some(index as usize)
    }

    /// Fills `target` with the next numbers.
    pub fn fill(&mut self, target: &mut [f64]) -> Option<()> {
        let (head, rest) = self.0.split_at_checked(target.len())?;
        target.copy_from_slice(head);
        self.0 = rest;
        Some(())
    }
}

/// One model in each slot, made when its first row comes. A slot is an entity (a host, a
/// replica, a service) or a series; whoever owns the slots says which.
#[derive(Clone, Debug)]
pub struct Slots<M: Model> {
    settings: M::Settings,
    models: Vec<Option<Box<M>>>,
}

impl<M: Model> Slots<M> {
    /// No slots.
    #[must_use]
    pub fn new(settings: M::Settings) -> Self {
        Self { settings, models: Vec::new() }
    }

    /// Number of slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there are no slots.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Makes room for `slots` slots; never shrinks.
    pub fn grow(&mut self, slots: usize) {
        if slots > self.models.len() {
            self.models.resize_with(slots, || None);
        }
    }

    /// Empties a slot.
    pub fn forget(&mut self, slot: usize) {
        if let Some(model) = self.models.get_mut(slot) {
            *model = None;
        }
    }

    /// The model in `slot`.
    #[must_use]
    pub fn get(&self, slot: usize) -> Option<&M> {
        self.models.get(slot)?.as_deref()
    }

    /// The model in `slot`, to change.
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut M> {
        self.models.get_mut(slot)?.as_deref_mut()
    }

    /// The model in `slot`, for rows of `channels` values. One that was made for another
    /// number of them starts anew: what belongs together has changed.
    pub fn model(&mut self, slot: usize, channels: usize) -> &mut M {
        self.grow(slot + 1);
        let model = &mut self.models[slot];
        if model.as_ref().is_none_or(|model| model.channels() != channels) {
            *model = None;
        }
        model.get_or_insert_with(|| Box::new(M::empty(&self.settings, channels)))
    }
}

impl<M: Model> Checkpointed for Slots<M> {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let (mut slots, mut channels, mut numbers, mut lengths) = (vec![], vec![], vec![], vec![]);
        let index = |i: usize| u32::try_from(i).map_err(|e| malformed::<M>(e.to_string()));
        for (slot, model) in self.models.iter().enumerate() {
            slots.push(index(slot)?);
            channels.push(index(model.as_ref().map_or(0, |model| model.channels()))?);
            let before = numbers.len();
            if let Some(model) = model {
                model.save(&mut numbers);
            }
            lengths.push(numbers.len() - before);
        }
        let item = Arc::new(Field::new("item", DataType::Float64, false));
        let state = LargeListArray::try_new(
            item,
            OffsetBuffer::from_lengths(lengths),
            Arc::new(Float64Array::from(numbers)),
            None,
        );
        let state = state.map_err(|e| malformed::<M>(e.to_string()))?;
        let schema = Schema::new(vec![
            Field::new("slot", DataType::UInt32, false),
            Field::new("channels", DataType::UInt32, false),
            Field::new("state", state.data_type().clone(), false),
        ]);
        let columns: Vec<Arc<dyn Array>> =
            vec![Arc::new(UInt32Array::from(slots)), Arc::new(UInt32Array::from(channels)), Arc::new(state)];
        let rows =
            RecordBatch::try_new(Arc::new(schema), columns).map_err(|e| malformed::<M>(e.to_string()))?;
        Ok(vec![StateTable { name: M::TABLE.to_owned(), version: M::VERSION, rows }])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let table = StateTable::find(tables, M::TABLE, M::VERSION)?;
        let columns = (table.rows.column_by_name("channels"), table.rows.column_by_name("state"));
        let (Some(channels), Some(state)) = columns else {
            return Err(malformed::<M>("columns `channels` and `state` were expected".to_owned()));
        };
        let channels = channels.as_any().downcast_ref::<UInt32Array>();
        let state = state.as_any().downcast_ref::<LargeListArray>();
        let (Some(channels), Some(state)) = (channels, state) else {
            return Err(malformed::<M>("numbers and lists of numbers were expected".to_owned()));
        };
        let mut models = Vec::with_capacity(channels.len());
        for slot in 0..channels.len() {
            if channels.value(slot) == 0 {
                models.push(None);
                continue;
            }
            let list = state.value(slot);
            let numbers = list.as_any().downcast_ref::<Float64Array>();
            let mut model = M::empty(&self.settings, channels.value(slot) as usize);
            let loaded = numbers.and_then(|numbers| {
                let mut numbers = Numbers::new(numbers.values());
                model.load(&mut numbers).filter(|()| numbers.0.is_empty())
            });
            if loaded.is_none() {
                return Err(malformed::<M>(format!("the state in slot {slot} is of another shape")));
            }
            models.push(Some(Box::new(model)));
        }
        self.models = models;
        Ok(())
    }
}

fn malformed<M: Model>(reason: String) -> StateError {
    StateError::Malformed { table: M::TABLE.to_owned(), reason }
}
