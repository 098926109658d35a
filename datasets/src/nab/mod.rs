//! The Numenta Anomaly Benchmark (NAB) 1.1: its corpus, its scorer, its score board.
//!
//! | module | holds |
//! |---|---|
//! | [`corpus`] | [`Corpus`]: 58 files, rows in the order of the file, labelled windows as rows |
//! | [`scorer`] | [`Scorer`]: the benchmark's rules over the scores of a detector |
//! | [`results`] | [`Results`]: the result files of a detector |
//! | `published` | [`published()`]: the results that others published |
//!
//! Source: A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms:
//! the Numenta Anomaly Benchmark", ICMLA 2015, and the program of that name at version 1.1.

pub mod corpus;
pub mod published;
pub mod results;
pub mod scorer;

pub use corpus::{Corpus, NabFile};
pub use published::{Published, published};
pub use results::Results;
pub use scorer::{CategoryGain, Layout, LeftOut, Profile, ProfileScore, ScoreError, Scorer, Window};
