//! Templates of log lines: what a program writes, told from the values that it writes it with.
//!
//! One pass, bounded memory, the same result in every run, one configuration for every system.
//!
//! ```
//! use theriac_templates::{Miner, Settings};
//!
//! let mut miner = Miner::new(Settings::default());
//! let first = miner.add("took 12 ms to load /etc/hosts");
//! let second = miner.add("took 7 ms to load /etc/fstab");
//! assert!(first.new && !second.new);
//! assert_eq!(miner.text(first.template).as_deref(), Some("took <*> ms to load <*>"));
//! ```
//!
//! | module | subject |
//! |---|---|
//! | `scan`, `calendar` | one pass over a line: words, delimiters, values by their form |
//! | `signature` | the words of a line, in order: lines of the same words have one template |
//! | `families` | which of the words are values, for messages are the same but for them |
//! | `miner` | the tables, and the life of templates: new, merged, forgotten |
//! | `parts` | templates that turn out to be several: names of the parts, and whose a line is |
//! | `template` | how the lines of a template are laid out, and what is shown of it |
//! | `variants` | whether a template is several after all |
//! | [`stack`](Stack) | which exception a stack trace is of, and where it was thrown |
//! | `state` | what is known as JSON, to keep or to hand on |

mod calendar;
mod families;
mod hash;
mod miner;
mod parts;
mod scan;
mod settings;
mod signature;
mod stack;
mod state;
mod template;
mod variants;

pub use miner::{Known, Mined, Miner, Parameter, Shed, TemplateId};
pub use scan::ValueKind;
pub use settings::Settings;
pub use stack::{FRAMES_MAX, Stack};
pub use state::StateError;
