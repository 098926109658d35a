//! Names that spans bear, as numbers: operations of entities, whom they call, and the edges
//! between services. Numbers are given out in the order of arrival and do not show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{EdgeKind, Entity};

use crate::{
    counts::Counts,
    index::Index,
    settings::Settings,
    traces::ids::{Ids, NONE},
};

/// What operations beyond the limit of their entity are counted under.
const OTHER: &str = "<other>";

/// Texts in the order in which they came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub(crate) struct Names {
    texts: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl Names {
    pub(crate) fn get(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    pub(crate) fn add(&mut self, text: &str) -> u32 {
        if let Some(known) = self.get(text) {
            return known;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

impl From<Vec<String>> for Names {
    fn from(texts: Vec<String>) -> Self {
        Self { numbers: texts.iter().cloned().zip(0..).collect(), texts }
    }
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        names.texts
    }
}

/// How one who is called is tied to who calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Tie {
    /// Asked, and answers.
    #[default]
    Call,
    /// A database.
    Query,
    /// A queue that messages are put into.
    Publish,
    /// A queue that messages are taken from.
    Consume,
}

impl Tie {
    const ALL: [(Self, EdgeKind); 4] = [
        (Self::Call, EdgeKind::Calls),
        (Self::Query, EdgeKind::Queries),
        (Self::Publish, EdgeKind::Publishes),
        (Self::Consume, EdgeKind::Consumes),
    ];
}

/// Everything that spans were seen to do and to call.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Catalog {
    pub(crate) names: Names,
    /// Entity, name.
    operations: Ids,
    /// The same operation of its service, by operation; itself where the entity is the service.
    at_service: Vec<u32>,
    /// Operations of each entity that count against its limit.
    of_entity: BTreeMap<u32, usize>,
    callees: Names,
    /// Number of each entity among the callees, or [`NONE`].
    callee_of_entity: Vec<u32>,
    /// Service, callee.
    edges: Ids,
    /// Entity, callee, [`Tie`] as number.
    calls: Ids,
    /// Edge of each call.
    edge_of_call: Vec<u32>,
}

impl Catalog {
    /// Index of the entity whose operation it is.
    #[inline]
    pub(crate) fn entity(&self, operation: u32) -> usize {
        self.operations.key(operation)[0] as usize
    }

    /// The same operation of the service.
    #[inline]
    pub(crate) fn at_service(&self, operation: u32) -> u32 {
        self.at_service[operation as usize]
    }

    /// Index of the service of the entity whose operation it is.
    #[inline]
    pub(crate) fn service(&self, operation: u32) -> usize {
        self.entity(self.at_service(operation))
    }

    pub(crate) fn operation_name(&self, operation: u32) -> &str {
        &self.names.texts[self.operations.key(operation)[1] as usize]
    }

    /// The edge that a call belongs to.
    pub(crate) fn edge_of(&self, call: u32) -> u32 {
        self.edge_of_call[call as usize]
    }

    /// Index of the calling service, and who is called.
    pub(crate) fn edge(&self, edge: u32) -> (usize, Entity) {
        let [service, callee, _] = self.edges.key(edge);
        (service as usize, Entity(self.callees.texts[callee as usize].clone()))
    }

    /// Index of the calling entity, and who is called.
    pub(crate) fn call_between(&self, call: u32) -> (usize, Entity) {
        let [entity, callee, _] = self.calls.key(call);
        (entity as usize, Entity(self.callees.texts[callee as usize].clone()))
    }

    /// What a call is in the topology.
    pub(crate) fn kind_of_call(&self, call: u32) -> EdgeKind {
        let number = self.calls.key(call)[2];
        Tie::ALL.get(number as usize).map_or(EdgeKind::Calls, |(_, kind)| *kind)
    }

    /// Number of the name that a call is made by.
    pub(crate) fn callee_of(&self, call: u32) -> u32 {
        self.calls.key(call)[1]
    }

    /// The name of a number.
    pub(crate) fn callee_name(&self, callee: u32) -> &str {
        &self.callees.texts[callee as usize]
    }

    /// An operation of an entity, by the number of its name if that is known.
    pub(crate) fn operation(
        &mut self,
        resource: u32,
        number: Option<u32>,
        name: &str,
        index: &Index,
        counts: &mut Counts,
        settings: &Settings,
    ) -> u32 {
        let (entity, service) = (index.at(resource).entity as u32, index.at(resource).service as u32);
        if let Some(known) = number.and_then(|number| self.operations.get([entity, number, 0])) {
            return known;
        }
        let known = self.of_entity.entry(entity).or_default();
        let name = if *known < settings.operations_max {
            *known += 1;
            name
        } else {
            counts.other_operations += 1;
            OTHER
        };
        let number = self.names.add(name);
        let at_service = self.note(service, number, None);
        self.note(entity, number, Some(at_service))
    }

    fn note(&mut self, entity: u32, name: u32, at_service: Option<u32>) -> u32 {
        let operation = self.operations.add([entity, name, 0]);
        if operation as usize == self.at_service.len() {
            self.at_service.push(at_service.unwrap_or(operation));
        }
        operation
    }

    /// A call of an entity to somebody by name; none if there are more edges than can have series.
    pub(crate) fn call(
        &mut self,
        entity: usize,
        service: usize,
        callee: &str,
        tie: Tie,
        settings: &Settings,
    ) -> Option<u32> {
        let known = self.callees.get(callee);
        if let Some(call) = known.and_then(|callee| self.calls.get([entity as u32, callee, tie as u32])) {
            return Some(call);
        }
        if self.calls.len() >= settings.series_max {
            return None;
        }
        let callee = self.callees.add(callee);
        let edge = self.edges.add([service as u32, callee, 0]);
        self.edge_of_call.push(edge);
        Some(self.calls.add([entity as u32, callee, tie as u32]))
    }
}

impl Catalog {
    /// As [`Self::call`], to an entity that is heard itself.
    pub(crate) fn call_of(
        &mut self,
        caller: u32,
        callee: usize,
        index: &Index,
        settings: &Settings,
    ) -> Option<u32> {
        if self.callee_of_entity.len() <= callee {
            self.callee_of_entity.resize(callee + 1, NONE);
        }
        let (entity, service) = (self.entity(caller), self.service(caller));
        let number = self.callee_of_entity[callee];
        if let Some(call) = self.calls.get([entity as u32, number, 0]) {
            return Some(call);
        }
        let name = index.known(callee).entity.as_str();
        let call = self.call(entity, service, name, Tie::Call, settings)?;
        self.callee_of_entity[callee] = self.calls.key(call)[1];
        Some(call)
    }
}

/// Whether there is one, for numbers that may be [`NONE`].
pub(crate) const fn some(id: u32) -> Option<u32> {
    if id == NONE { None } else { Some(id) }
}
