//! The clock of the edge. Everything behind it gets time handed in.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use theriac_contract::Timestamp;

/// Gives the time now.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock of the machine.
#[must_use]
pub fn wall() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge: live sources and executors stamp what they bring"
    )]
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    })
}
