//! What edges and nodes mean.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an edge of the topology means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// `from` calls `to`: trouble goes from callee to caller.
    Calls,
    /// `from` runs on `to`: trouble goes from host to what runs on it.
    RunsOn,
    /// `from` is a replica or part of `to`.
    PartOf,
    /// `from` asks the database `to`.
    Queries,
    /// `from` puts messages into the queue `to`.
    Publishes,
    /// `from` takes messages from the queue `to`.
    Consumes,
    /// Evidence, and no edge of the graph: what was called by the name `from` was served by `to`.
    StandsFor,
}

impl EdgeKind {
    /// Whether `from` needs `to` to do its work, so that trouble goes from `to` to `from`.
    #[must_use]
    pub const fn depends(self) -> bool {
        matches!(self, Self::Calls | Self::Queries | Self::Publishes | Self::Consumes)
    }

    /// The verb of a sentence.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::RunsOn => "runs on",
            Self::PartOf => "is part of",
            Self::Queries => "queries",
            Self::Publishes => "publishes to",
            Self::Consumes => "consumes from",
            Self::StandsFor => "stands for",
        }
    }
}

/// What a node of the topology is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Something that serves.
    Service,
    /// One process of a service.
    Instance,
    /// A machine.
    Host,
    /// A place with many hosts: an availability zone.
    Zone,
    /// A store that is queried.
    Database,
    /// A topic or queue of messages.
    Queue,
    /// A name in front of several services: a load balancer, a gateway that is not traced.
    Balancer,
}

impl NodeKind {
    /// Word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Instance => "instance",
            Self::Host => "host",
            Self::Zone => "zone",
            Self::Database => "database",
            Self::Queue => "queue",
            Self::Balancer => "balancer",
        }
    }
}
