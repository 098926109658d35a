//! Streaming anomaly detectors over many series at once.
//!
//! A detector holds bounded state per series and turns each value into a p-value: how often the
//! series' own past looked at least this unusual. [`Bank`] runs all of them block by block, so that
//! values and scores stay in cache, and fuses their p-values. Knows numbers and Arrow (for
//! checkpoints), nothing of files or clocks.
//!
//! | in the bank, by name ([`registry`]) | they see |
//! |---|---|
//! | `level` `quantiles` `extreme` | a value far from the others |
//! | `rate` `variance` | steps or a scatter larger than so far |
//! | `drift` `trend` `cusum` `page_hinkley` | a level that moves, quickly or slowly |
//! | `flat` `missing` `event_density` | a series that stands still, is silent, or busier than it was |
//! | `change_point` | a level or a scatter that has just changed, and stays |
//! | `spot` `dspot` | a value far beyond all peaks |
//! | `seasonal` | a value that is unusual for the time of day or the day of the week |
//! | `forest` `half_space` `profile` `mixture` | a course of values unlike those before |
//! | `spectral_residual` | a value that its window does not lead one to expect |
//!
//! The first four rows are lanes of a few numbers, made for a million series; the others keep a model
//! of their own for each series, and are for those that were chosen.
//!
//! | beside the bank | what it is of |
//! |---|---|
//! | [`records`] | a series against its whole history |
//! | [`multivariate`] | all metrics of one entity |
//! | [`peers`] | the replicas of one service |
//! | [`forest`], [`profile`] | the models above, on their own |
//! | [`exhaustion`] | when a limit is reached |
//!
//! [`beside_the_bank`] lists those of them that judge by themselves. Models with a checkpoint live in
//! [`slots`]. With the feature `onnx` the bank also runs a model of the user's own.
//!
//! ```
//! use theriac_contract::Timestamp;
//! use theriac_detectors::{Bank, Settings, Scores};
//! let mut bank = Bank::new(&Settings::default());
//! bank.grow(2);
//! let [mut p_value, mut expected, mut low, mut high] = [[0.0; 2]; 4];
//! for tick in 0..200 {
//!     let values = [(tick % 7) as f64, 5.0];
//!     let mut out = Scores { p_value: &mut p_value, expected: &mut expected, low: &mut low, high: &mut high };
//!     bank.update(Timestamp::from_seconds(10 * tick), &values, &[true, true], &mut out);
//! }
//! assert!(p_value[1] > 0.5);
//! ```
//!
//! All arithmetic is `+ - * /`, square root and selection in a fixed order within a lane:
//! the forms compiled for AVX-512, AVX2 and the baseline agree to the bit. State is `f32` in units
//! of the series itself; a module of its own (`anchor`) keeps byte counters and nanosecond totals,
//! which exceed the 24 bits of its mantissa, small. Models take values as they came.

mod anchor;
pub mod arithmetic;
mod bank;
mod beside;
mod block;
mod calendar;
mod calibration;
pub mod change_point;
mod columns;
mod cusum;
mod detector;
mod drift;
mod event_density;
pub mod exhaustion;
mod extreme;
mod fetch;
mod flat;
pub mod forest;
mod lanes;
mod level;
mod missing;
pub mod mixture;
mod modelled;
pub mod multivariate;
mod newest;
#[cfg(feature = "onnx")]
pub mod onnx;
mod own_model;
mod page_hinkley;
pub mod pareto;
mod past;
pub mod peaks;
pub mod peers;
pub mod profile;
mod quantiles;
mod rate;
pub mod records;
mod registry;
mod seasonal;
pub mod slots;
pub mod spectral;
mod tail;
mod trend;
mod turn;
mod variance;

pub use bank::{Bank, SHARED_BYTES_PER_SERIES};
pub use beside::{Beside, Judge, Judgement, beside_the_bank};
pub use calendar::{HolidayError, Holidays, TimeZone, UnknownTimeZone};
pub use calibration::{P_VALUE_MIN, TAIL};
pub use detector::{Parameter, Scores, Spec};
pub use own_model::{OwnModel, OwnModelError};
pub use registry::{DetectorSettings, Enabled, Entry, Settings, UnknownDetector, registry};
