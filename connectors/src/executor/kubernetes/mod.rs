//! Workloads and nodes of a Kubernetes cluster.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what is said of the cluster |
//! | [`verb`] | what can be done, and what undoes it |
//! | `api` | objects of the API server |
//! | `ledger` | what was done to an object, as an annotation of it |
//! | `hand` | `KubernetesExecutor`, with the feature `kubernetes`, as all that follows |
//! | `task` | one command on one object |
//! | `workload`, `pod`, `node` | what is done to which |
//!
//! An object is written back only at the version at which it was read, the note of what was done in the same
//! write: the key is there if and only if the effect is. What takes more than one write (a pod that is deleted,
//! a node that is drained) is noted before, with the UIDs that it is done to, and brought to its end by whoever
//! asks. The engine's own ledger is not needed: the executor remembers.

#[cfg(feature = "kubernetes")]
mod api;
#[cfg(feature = "kubernetes")]
mod hand;
#[cfg(feature = "kubernetes")]
mod ledger;
#[cfg(feature = "kubernetes")]
mod node;
#[cfg(feature = "kubernetes")]
mod pod;
pub mod settings;
#[cfg(feature = "kubernetes")]
mod task;
pub mod verb;
#[cfg(feature = "kubernetes")]
mod workload;

#[cfg(feature = "kubernetes")]
pub use hand::KubernetesExecutor;
pub use settings::{KubernetesSettings, Workload, WorkloadKind};
pub use verb::{Inverse, Verb};
