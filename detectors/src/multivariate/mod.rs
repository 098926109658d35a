//! Detectors over all metrics of one entity at once.
//!
//! A row holds one value for each channel (metric) of the entity, NaN where there is none.
//! Each model standardises it, keeps mean and covariance of what it looks at with
//! forgetting, and measures how unusual the newest row is. One model is one slot of
//! [`crate::slots::Slots`].
//!
//! | module | sees |
//! |---|---|
//! | [`subspace`] | rows whose recent course leaves the directions in which the entity usually moves |
//! | [`mahalanobis`] | rows that are far from the mean, in units of the usual joint spread |
//! | [`correlation`] | channels that no longer move together as they did |

mod channels;
pub mod correlation;
mod covariance;
pub mod eigen;
pub mod mahalanobis;
mod reading;
pub mod subspace;

pub use reading::Reading;
