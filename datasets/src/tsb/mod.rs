//! Labelled recordings: the Server Machine Dataset, the cut-outs of TSB-AD that NAB and SMD
//! give, and folders that nobody has seen before.
//!
//! | module | holds |
//! |---|---|
//! | [`recording`] | [`Recording`]: times, channels, labels, and where the warm-up ends |
//! | [`smd`] | the layout of SMD: `test/`, `test_label/`, `train/` |
//! | [`cut_outs`] | the 14 NAB and 3 SMD series of TSB-AD that can be made from NAB and SMD |
//! | [`series`] | one CSV for each recording: value columns and a label column |
//! | [`folder`] | which of these layouts, or NAB's, a folder has |
//! | [`published`] | results that others published |

pub mod cut_outs;
pub mod folder;
pub mod published;
pub mod recording;
pub mod series;
pub mod smd;

pub use recording::{Recording, digest};
