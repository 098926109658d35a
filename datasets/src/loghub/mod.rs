//! Loghub: logs of which it is known which template each line has.
//!
//! | module | subject |
//! |---|---|
//! | [`corpus`] | the files: lines, and the labels that there are for them |
//! | [`measures`] | how well lines were grouped and templates told |
//! | [`form`] | spellings of templates that mean the same |
//! | [`published`] | results that others published |

pub mod corpus;
pub mod form;
pub mod measures;
pub mod published;

pub use corpus::{LabelSet, Labelled, System, open};
pub use form::normal_form;
pub use measures::{Accuracy, measure};
