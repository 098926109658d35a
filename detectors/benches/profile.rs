//! Values per second of the left matrix profile, one line for each pair of window and history;
//! `benches/profile.py` runs it beside stumpy.

use std::{hint::black_box, time::Instant};

use theriac_detectors::{
    profile::{LeftProfile, ProfileSettings},
    slots::Model,
};

fn main() {
    for (window, history) in [(60, 2_000), (60, 10_000), (144, 10_080)] {
        let mut profile = LeftProfile::empty(&ProfileSettings { window, history, ..Default::default() }, 1);
        let value = |t: u32| f64::from(t.wrapping_mul(2_654_435_761) >> 8) / 1e6;
        (0..20_000).for_each(|t| {
            black_box(profile.update(value(t), true));
        });
        let begin = Instant::now();
        (20_000..40_000).for_each(|t| {
            black_box(profile.update(value(t), true));
        });
        println!("{window} {history} {:.0}", 20_000.0 / begin.elapsed().as_secs_f64());
    }
}
