//! Detect: ticks in, symptoms out.
//!
//! Every series goes through the bank of detectors; series that count events go also
//! through an exact model of counts, which knows what to make of a first error line. What
//! the rules let through becomes a symptom: with onset, peak and end, with hysteresis, and
//! with learning frozen for as long as it stands.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | [`Settings`] |
//! | `detect` | [`Detect`]: one tick; in it series that are new (`admission`), what a series shows (`sight`), what is kept (`checkpoint`) |
//! | `watched` | what is kept of a series: its rule, and the model of its own if it has one |
//! | [`rules`] | which direction and which effect of a signal matter at all |
//! | `counting` | p-values of event counts (Gamma-Poisson) |
//! | `proportion` | p-values of shares of failures (beta-binomial) |
//! | `absence` | p-values of gaps (Lomax) |
//! | `roll_call` | p-values of instances that tell nothing at all |
//! | `routine` | log lines that are missed, or crowd out all others |
//! | `discovery` | how unusual is unusual enough: the share of false symptoms, over all series |
//! | `limits` | which series have a limit |
//! | `filling` | when what fills up is full |
//! | `places` | which series are of one place |
//! | `traffic` | how much stands behind a value: what is not worth judging |
//! | `near` | which series are near trouble, where less is unusual enough |
//! | `episode` | the life of one symptom: open, worse, over, lost |
//! | `grain` | what one step is in the values of a series |
//! | `history` | series compared with all they ever did (the records detector), as far as there is room |
//! | `entities` | entities judged as a whole, as far as there is room |
//! | `reading` | what the last tick said of one series |
//! | `replicas` | instances of a service compared with each other |
//! | `siblings` | series of new replicas that begin with what is known of the others |
//! | `log_lines` | all log lines of an entity, and of a domain |
//! | `symptom` | what is told of an open episode |
//! | `explain` | the sentence for people |

mod absence;
mod counting;
mod detect;
mod discovery;
mod entities;
mod episode;
mod explain;
mod filling;
mod grain;
mod history;
mod limits;
mod log_lines;
mod near;
mod places;
mod proportion;
mod reading;
mod replicas;
mod roll_call;
mod routine;
pub mod rules;
pub mod settings;
mod siblings;
mod symptom;
mod traffic;
mod watched;

pub use detect::{Counts, Detect};
pub use entities::{EntityReading, EntitySettings};
pub use reading::Reading;
pub use settings::Settings;
pub use theriac_detectors::records::{EVIDENCE_ALERTS, EVIDENCE_MAX};
