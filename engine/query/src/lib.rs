//! Questions in SQL about what is stored: the topics as DataFusion tables, read-only.
//!
//! | module | holds |
//! |---|---|
//! | [`tables`](mod@tables) | which tables there are, with columns and their meaning |
//! | `as_of` | `AS OF VERSION 12` and `AS OF TIMESTAMP '…'` behind a table of knowledge |
//! | `readings` | what is known as rows |
//! | [`load`] | records of a topic into Arrow columns |
//! | [`ask`] | [`query`] and its errors |
//! | [`render`] | an answer as a plain table or as JSON lines |

mod as_of;
pub mod ask;
pub mod load;
mod readings;
pub mod render;
pub mod tables;

pub use as_of::Moment;
pub use ask::{QueryError, query};
pub use render::{json_lines, text_table};
pub use tables::{Column, Kind, Table, tables};
