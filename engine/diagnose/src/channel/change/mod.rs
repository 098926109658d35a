//! Changes of code and configuration as suspects, beside causes that are no change.
//!
//! | module | says |
//! |---|---|
//! | [`changes`] | when a change took effect, where, what it does, and whether it speaks of what is unusual |
//! | [`outside`] | that trouble names a cause that is no change |
//! | `diff` | what a change does, as far as its diff tells |

pub mod changes;
mod diff;
pub mod outside;
