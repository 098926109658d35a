//! How the service is looked after.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

/// The section `operations` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Address of the HTTP port with `/livez`, `/readyz` and `/metrics`, as 127.0.0.1:9464; none
    /// for no port. It has no access control: keep it inside.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether `POST /-/reload` has the configuration read again, as SIGHUP does.
    pub(crate) allow_reload: bool,
    /// Whether `POST /-/judge` notes what people make of a symptom.
    pub(crate) allow_judge: bool,
    /// Whether `POST /-/control` approves and rejects plans, pauses and resumes.
    pub(crate) allow_control: bool,
    /// A loop that has not come round for so long is stuck: `/livez` fails.
    pub(crate) stuck_after: Interval,
    /// The process ends this long after it was told to stop, whether or not it is through.
    pub(crate) stop_within: Interval,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            allow_reload: false,
            allow_judge: false,
            allow_control: false,
            stuck_after: Interval::from_seconds(120),
            stop_within: Interval::from_seconds(60),
        }
    }
}
