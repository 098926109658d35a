//! A pool in a checkpoint: one row a model and one a tree.
//!
//! Nodes, samples and generators are saved as they are. Boxes are not: they follow from the points.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, ListArray, ListBuilder, PrimitiveArray,
        PrimitiveBuilder, RecordBatch,
    },
    datatypes::{Float32Type, Float64Type, UInt16Type, UInt64Type},
};
use theriac_contract::{StateError, StateTable};

use super::{
    pool::Pool,
    random::SplitMix,
    ring::Ring,
    sampling::FREE,
    scale::Scale,
    tree::{LEAF, NOTHING, Node},
};

/// Version of the layout.
const VERSION: u16 = 1;
const MODELS: &str = "detectors.forest.models";
const TREES: &str = "detectors.forest.trees";

fn malformed(table: &str, reason: impl ToString) -> StateError {
    StateError::Malformed { table: table.to_owned(), reason: reason.to_string() }
}

fn column<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
}

fn lists<T: ArrowPrimitiveType>(rows: impl Iterator<Item = Vec<T::Native>>) -> ArrayRef {
    let mut builder = ListBuilder::new(PrimitiveBuilder::<T>::new());
    for row in rows {
        builder.values().append_slice(&row);
        builder.append(true);
    }
    Arc::new(builder.finish())
}

fn table(name: &str, columns: Vec<(&str, ArrayRef)>) -> Result<StateTable, StateError> {
    let rows = RecordBatch::try_from_iter(columns).map_err(|e| malformed(name, e))?;
    Ok(StateTable { name: name.to_owned(), version: VERSION, rows })
}

/// A table that is read.
struct Rows<'a> {
    name: &'a str,
    rows: &'a RecordBatch,
}

impl<'a> Rows<'a> {
    fn find(tables: &'a [StateTable], name: &'a str) -> Result<Self, StateError> {
        Ok(Self { name, rows: &StateTable::find(tables, name, VERSION)?.rows })
    }

    fn named(&self, column: &str) -> Result<&'a ArrayRef, StateError> {
        let found = self.rows.column_by_name(column).filter(|values| values.null_count() == 0);
        found.ok_or_else(|| malformed(self.name, format!("a column `{column}` without nulls was expected")))
    }

    fn numbers<T: ArrowPrimitiveType>(&self, column: &str) -> Result<&'a [T::Native], StateError> {
        let values = self.named(column)?.as_primitive_opt::<T>();
        let values =
            values.ok_or_else(|| malformed(self.name, format!("column `{column}` is of another type")))?;
        Ok(values.values())
    }

    fn lists(&self, column: &str) -> Result<&'a ListArray, StateError> {
        let values = self.named(column)?.as_list_opt::<i32>();
        values.ok_or_else(|| malformed(self.name, format!("column `{column}` is not of lists")))
    }

    /// Row `row` of a column of lists; `length` elements, if that is said.
    fn list<T: ArrowPrimitiveType>(
        &self,
        lists: &ListArray,
        row: usize,
        length: Option<usize>,
    ) -> Result<Vec<T::Native>, StateError> {
        let values = lists.value(row);
        let values = values.as_primitive_opt::<T>().filter(|values| values.null_count() == 0);
        let values =
            values.ok_or_else(|| malformed(self.name, "a list holds something else than numbers"))?;
        match length {
            Some(length) if values.len() != length => {
                Err(malformed(self.name, format!("a list of {length} was expected, not of {}", values.len())))
            }
            _ => Ok(values.values().to_vec()),
        }
    }
}

impl<const L: usize> Pool<L> {
    pub(super) fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let of_models =
            |get: fn(&super::pool::Model<L>) -> u64| column::<UInt64Type>(self.models.iter().map(get));
        let scales = self.models.iter().map(|model| model.scales.iter().flat_map(Scale::parts).collect());
        let models = table(
            MODELS,
            vec![
                ("ring", lists::<UInt16Type>(self.models.iter().map(|model| model.ring.levels.clone()))),
                ("head", of_models(|model| model.ring.head as u64)),
                ("point", lists::<UInt16Type>(self.models.iter().map(|model| model.point.to_vec()))),
                ("filled", of_models(|model| model.filled as u64)),
                ("unwritten", of_models(|model| model.unwritten as u64)),
                ("learnt", of_models(|model| model.learnt)),
                ("epoch", of_models(|model| model.epoch)),
                ("until_expiry", of_models(|model| model.until_expiry as u64)),
                ("scales", lists::<Float64Type>(scales)),
            ],
        )?;
        let each = self.settings.sample_size;
        let weight = |steps: &u16| self.decay.unpack(*steps) as f32;
        let copies = self.nodes.chunks(each).map(|nodes| nodes.iter().map(Node::copies::<L>).collect());
        let weights = self.weights.chunks(each).map(|steps| steps.iter().map(weight).collect());
        let trees = table(
            TREES,
            vec![
                ("random", column::<UInt64Type>(self.heads.iter().map(|head| head.random.0))),
                ("due", column::<UInt64Type>(self.heads.iter().map(|head| head.due))),
                ("weight", column::<Float32Type>(self.heads.iter().map(|head| weight(&head.weight)))),
                ("heaviest", column::<UInt16Type>(self.heads.iter().map(|head| head.heaviest))),
                ("size", column::<UInt16Type>(self.heads.iter().map(|head| head.size))),
                ("nodes", lists::<UInt16Type>(self.preorders())),
                ("weights", lists::<Float32Type>(weights)),
                ("places", lists::<UInt16Type>(self.places.chunks(each).map(<[u16]>::to_vec))),
                ("copies", lists::<UInt16Type>(copies)),
            ],
        )?;
        Ok(vec![models, trees])
    }

    /// By tree its references in preorder: a leaf as it is; a node as its dimension and its cut, then
    /// what is left and right of it.
    fn preorders(&self) -> impl Iterator<Item = Vec<u16>> {
        let trees = self.heads.iter().zip(self.nodes.chunks(self.settings.sample_size));
        trees.map(|(head, nodes)| {
            let mut written = Vec::new();
            let mut left = vec![head.root];
            while let Some(reference) = left.pop() {
                if reference & LEAF != 0 {
                    written.push(reference);
                } else {
                    let node = nodes[usize::from(reference)];
                    written.extend([node.dimension::<L>() as u16, node.cut]);
                    left.extend([node.children[1], node.children[0]]);
                }
            }
            written
        })
    }

    pub(super) fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let (models, trees) = (Rows::find(tables, MODELS)?, Rows::find(tables, TREES)?);
        let count = models.rows.num_rows();
        if trees.rows.num_rows() != count * self.settings.trees {
            return Err(malformed(TREES, format!("{} trees a model were expected", self.settings.trees)));
        }
        let mut restored = Self::new(self.settings);
        restored.grow(count);
        restored.restore_models(&models)?;
        restored.restore_trees(&trees)?;
        *self = restored;
        Ok(())
    }

    fn restore_models(&mut self, rows: &Rows<'_>) -> Result<(), StateError> {
        let shape = self.shape;
        let (rings, points, scales) = (rows.lists("ring")?, rows.lists("point")?, rows.lists("scales")?);
        let heads = rows.numbers::<UInt64Type>("head")?;
        let filled = rows.numbers::<UInt64Type>("filled")?;
        let unwritten = rows.numbers::<UInt64Type>("unwritten")?;
        let learnt = rows.numbers::<UInt64Type>("learnt")?;
        let epochs = rows.numbers::<UInt64Type>("epoch")?;
        let until_expiry = rows.numbers::<UInt64Type>("until_expiry")?;
        for (row, model) in self.models.iter_mut().enumerate() {
            let levels = rows.list::<UInt16Type>(rings, row, None)?;
            let whole = levels.len().is_multiple_of(shape.channels);
            let (filled, unwritten) = (filled[row] as usize, unwritten[row] as usize);
            let bounded = heads[row] < shape.window as u64 && levels.len() <= shape.window * shape.channels;
            if !whole || !bounded || filled > shape.shingle || unwritten > filled || epochs[row] > learnt[row]
            {
                return Err(malformed(rows.name, format!("model {row} does not fit the settings")));
            }
            model.ring = Ring { levels, head: heads[row] as usize };
            model.point.copy_from_slice(&rows.list::<UInt16Type>(points, row, Some(L))?);
            (model.filled, model.unwritten) = (filled, unwritten);
            (model.learnt, model.epoch) = (learnt[row], epochs[row]);
            model.until_expiry = until_expiry[row] as usize;
            let parts = rows.list::<Float64Type>(scales, row, Some(shape.channels * Scale::PARTS))?;
            let (parts, _) = parts.as_chunks::<{ Scale::PARTS }>();
            model.scales = parts.iter().copied().map(Scale::from_parts).collect();
        }
        Ok(())
    }

    fn restore_trees(&mut self, rows: &Rows<'_>) -> Result<(), StateError> {
        let each = self.settings.sample_size;
        let random = rows.numbers::<UInt64Type>("random")?;
        let due = rows.numbers::<UInt64Type>("due")?;
        let weight = rows.numbers::<Float32Type>("weight")?;
        let heaviest = rows.numbers::<UInt16Type>("heaviest")?;
        let size = rows.numbers::<UInt16Type>("size")?;
        let nodes = rows.lists("nodes")?;
        let (weights, places, copies) =
            (rows.lists("weights")?, rows.lists("places")?, rows.lists("copies")?);
        let decay = self.decay;
        let steps_of =
            |weight: f32| if weight == f32::NEG_INFINITY { FREE } else { decay.pack(f64::from(weight)) };
        for row in 0..self.heads.len() {
            let slots = row * each..(row + 1) * each;
            let weights = rows.list::<Float32Type>(weights, row, Some(each))?;
            for (steps, &weight) in self.weights[slots.clone()].iter_mut().zip(&weights) {
                *steps = steps_of(weight);
            }
            self.places[slots.clone()].copy_from_slice(&rows.list::<UInt16Type>(places, row, Some(each))?);
            let copies = rows.list::<UInt16Type>(copies, row, Some(each))?;
            let written = rows.list::<UInt16Type>(nodes, row, None)?;
            let model = row / self.settings.trees;
            let ticks = self.models[model].ring.ticks(self.shape);
            let mut tree = self.tree(model, row % self.settings.trees);
            tree.head.random = SplitMix(random[row]);
            tree.head.due = due[row];
            tree.head.weight = steps_of(weight[row]);
            tree.head.heaviest = heaviest[row];
            tree.head.size = size[row];
            let inside = tree.places.iter().all(|&place| usize::from(place) < ticks.max(1));
            let whole = inside && usize::from(heaviest[row]) < each && usize::from(size[row]) <= each;
            let counted = copies.iter().all(|&copies| usize::from(copies) <= each);
            if !whole || !counted || tree.read(&written, &copies).is_none() {
                return Err(malformed(rows.name, format!("tree {row} is not one")));
            }
        }
        Ok(())
    }
}

impl<const L: usize> super::tree::Tree<'_, L> {
    /// Builds the tree from its references in preorder. None if they are not those of a tree.
    fn read(&mut self, written: &[u16], copies: &[u16]) -> Option<()> {
        self.clear();
        for (slot, &copies) in (0..).zip(copies) {
            self.set_copies(slot, copies);
        }
        let mut words = written.iter().copied();
        let mut open: Vec<u16> = Vec::new();
        loop {
            let word = words.next()?;
            let leaf = word & LEAF != 0;
            if leaf && word != NOTHING && usize::from(word & !LEAF) >= self.nodes.len() {
                return None;
            }
            let reference = if leaf { word } else { self.open(word % L as u16, words.next()?)? };
            match open.last() {
                Some(&parent) => self.adopt(parent, reference),
                None => self.head.root = reference,
            }
            if leaf {
                while open.last().is_some_and(|&node| self.is_whole(node)) {
                    let node = open.pop()?;
                    self.close(node);
                }
                if open.is_empty() {
                    return words.next().is_none().then_some(());
                }
                if word == NOTHING {
                    return None;
                }
            } else {
                open.push(reference);
            }
        }
    }
}
