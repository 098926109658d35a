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

use std::borrow::Cow;

pub use reading::Reading;

use self::{correlation::Correlation, mahalanobis::Mahalanobis, subspace::Subspace};
use crate::{detector::Spec, slots::Model};

/// A model of all metrics of one entity.
pub trait Multivariate: Model {
    /// What it is.
    const SPEC: Spec;

    /// The next row: one value for each channel, NaN or missing where there is none. Without
    /// `learn` it is only compared.
    fn update(&mut self, row: &[f64], learn: bool) -> Reading;

    /// What each channel adds to the score of the newest row; they sum to it. All 0 while
    /// warming up and after a restore until the next row.
    fn contributions(&self) -> Cow<'_, [f64]>;
}

macro_rules! multivariate {
    ($model:ty) => {
        impl Multivariate for $model {
            const SPEC: Spec = <$model>::SPEC;

            fn update(&mut self, row: &[f64], learn: bool) -> Reading {
                self.update(row, learn)
            }

            fn contributions(&self) -> Cow<'_, [f64]> {
                self.contributions().into()
            }
        }
    };
}

multivariate!(Subspace);
multivariate!(Mahalanobis);
multivariate!(Correlation);
