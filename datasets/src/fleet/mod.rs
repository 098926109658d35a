//! A simulated fleet with known truth: 45 faults, 27 actions, 18 disturbances that are none, and
//! everything that is needed to say exactly how much good or harm an action did.
//!
//! A discrete-event simulation at the level of single requests, on one thread, with one stream of
//! randomness for each (seed, entity, purpose). Two runs from one seed are the same bit for bit,
//! and a [`World`] can be cloned in the middle of a run: the clones have the same future until
//! somebody acts, so that what an action did is a difference and no estimate.
//!
//! | module | what |
//! |---|---|
//! | `topology` | what a fleet is made of, as data; `boutique-12` |
//! | `clock` | time, and the heap of what is to happen |
//! | `world` | everything at an instant; how time passes |
//! | `service`, `lifecycle` | versions, configurations, replicas; starts, crashes, rollouts, scaling |
//! | `call`, `request`, `routing` | slots, queues, time-outs, retries, pools, circuits; who takes a call |
//! | `database`, `cache`, `queue`, `ledger` | what keeps state, and the books that must balance |
//! | `load`, `change`, `levels` | users, the log of changes, what users got |
//! | `action` | the 27 actions and the executor's book |
//! | `fault`, `benign` | what goes wrong, and what only looks so |
//! | `telemetry` | OTLP as the demo simulator writes it |
//! | `view` | what anybody may see without knowing the truth |
//! | `fluid` | the same fleet by formulas, for weeks without faults |
//! | `episode` | one fault from before to after, and forks of it |
//! | `mode`, `scenario` | how faults come: alone, together, on and off; what goes wrong then |
//! | `mix` | which kinds of fault a campaign plays, how often, and in which modes |
//! | `baseline`, `oracle` | policies to compare with, and the best that could be done |
//! | `score` | what a healer is worth, from its log and the truth |
//! | `trial` | a policy in an episode, written down for the scorer |
//! | `gate` | what makes scenarios honest |
//!
//! ```
//! use std::sync::Arc;
//! use theriac_datasets::fleet::{SECOND, Setup, Topology, World};
//!
//! let setup = Arc::new(Setup::new(7, Topology::boutique()?));
//! let mut world = World::new(&setup);
//! world.advance(30 * SECOND);
//! let mut fork = world.clone();
//! world.advance(60 * SECOND);
//! fork.advance(60 * SECOND);
//! assert_eq!(world.digest(), fork.digest());
//! # Ok::<(), theriac_datasets::fleet::TopologyError>(())
//! ```

mod action;
pub mod baseline;
mod benign;
mod cache;
mod call;
mod change;
mod clock;
mod database;
pub mod episode;
mod fault;
mod fluid;
pub mod gate;
mod ledger;
mod levels;
mod lifecycle;
mod load;
mod mix;
mod mode;
pub mod oracle;
mod queue;
mod request;
mod routing;
mod scenario;
pub mod score;
mod service;
mod telemetry;
mod topology;
pub mod trial;
mod view;
mod world;

pub use action::{Effect, Handle, Mishap, Outcome, Profile, Request, RequestError, Verb};
pub use benign::{Benign, Harmless, draw_benign};
pub use change::{Change, ChangeEntry};
pub use clock::{MILLISECOND, Nanos, SECOND};
pub use fault::{
    CatalogueError, Class, Fault, Forbidden, HELD_OUT, Record, Signature, Truth, catalogue, draw_held_out,
    parse_catalogue, record,
};
pub use ledger::Breaches;
pub use levels::{Loss, OBJECTIVE};
pub use mix::{Chooser, Draw, Mix, MixError};
pub use mode::{Mode, NoMode};
pub use scenario::{setup_in, suits};
pub use telemetry::Export;
pub use topology::{CallSpec, Kind, Operation, QueueSpec, RouteSpec, ServiceSpec, Topology, TopologyError};
pub use view::{ReplicaView, View};
pub use world::{Setup, Totals, World};
