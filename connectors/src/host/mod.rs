//! The machine itself as a source: processor, memory, disks, network, pressure, processes.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | [`Settings`] |
//! | [`source`] | [`Host`], the source |
//! | `system` | readings of the whole machine |
//! | `pressure` | stall times from `/proc/pressure` |
//! | `processes` | the processes that use most |
//! | `readings` | readings as rows of points |
//!
//! Names follow OpenTelemetry's semantic conventions for `system.*` and `process.*`; what
//! these do not name is `system.linux.pressure.*`.

mod pressure;
mod processes;
mod readings;
pub mod settings;
pub mod source;
mod system;

pub use settings::Settings;
pub use source::Host;
