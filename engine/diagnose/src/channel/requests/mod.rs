//! Evidence from the requests of a system: each channel is a pure function from a fault-free window
//! and a window with the fault to claims for [`crate::weighing::weigh`].
//!
//! | module | says |
//! |---|---|
//! | [`window`] | what was observed: calls, log lines, levels |
//! | [`transitions`] | what no longer follows what, and which calls are no longer made |
//! | [`errors`] | where errors are logged that were not before |
//! | [`delays`] | messages that take longer between client and server, work that takes longer by itself |
//! | [`levels`] | resources near their limit |
//! | [`callers`] | trouble of callers that a suspect would explain |
//! | [`mod@metered`] | the same by metrics of calls, where nobody traces them |
//! | `ratio` | the likelihood ratios of counts |

pub mod callers;
pub mod delays;
pub mod errors;
pub mod levels;
pub mod metered;
mod ratio;
pub mod transitions;
pub mod window;

use theriac_contract::Evidence;

use super::Claim;
use crate::weighing::Suspect;

/// Part of a suspect: its processor.
pub const CPU: &str = "cpu";
/// Part of a suspect: its memory.
pub const MEMORY: &str = "memory";
/// Part of a suspect: what it sends and receives.
pub const NETWORK: &str = "network";

/// No observation makes a channel surer than this: ln 10⁴. Counts are less independent than their
/// models say, and beyond it a second channel must speak for more.
pub const RATIO_MAX: f64 = 9.210_340_371_976_184;

/// No channel speaks against a suspect by more than this: ln 1/4. A fault that leaves one signal as
/// it was is common; two quiet channels still outweigh a weak third.
pub const RATIO_MIN: f64 = -1.386_294_361_119_890_6;

fn claim(suspect: Suspect, channel: &str, ratio: f64, text: String) -> Claim {
    let evidence = Evidence {
        channel: channel.to_owned(),
        log_likelihood_ratio: ratio.clamp(RATIO_MIN, RATIO_MAX),
        text,
        symptoms: Vec::new(),
    };
    (suspect, evidence)
}
