//! What a multivariate model says of a row, and how long it keeps saying it.

use crate::{arithmetic::ln, past::Past, slots::Numbers};

/// Scores up to this many times the usual one are learnt whole.
const WHOLE: f64 = 10.0;

/// What a model says of the newest row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// How unusual the row is: about 1 on average while ordinary, never negative; 0 while
    /// warming up.
    pub score: f64,
    /// How often a past score was at least as large; 1 while warming up.
    pub p_value: f64,
    /// ln(1 + score), held and let go with the time constant of the settings: lasts as long as
    /// the anomaly, and spans its short pauses.
    pub lasting: f64,
    /// The first row of an anomaly: the p-value fell below the setting, and had not for a
    /// whole time constant.
    pub edge: bool,
}

/// What is remembered for [`Reading`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outputs {
    past: Past,
    lasting: f64,
    /// Rows since the p-value was last below the setting.
    quiet: f64,
}

impl Outputs {
    /// The reading of `score`, if the model knows enough to have one.
    pub(crate) fn read(
        &mut self,
        score: Option<f64>,
        learn: bool,
        warmup: f64,
        hold_rows: f64,
        edge_below: f64,
    ) -> Reading {
        let Some(score) = score else {
            return Reading { score: 0.0, p_value: 1.0, lasting: 0.0, edge: false };
        };
        let p_value = self.past.p_value(score, warmup);
        let speaks = self.past.seen() >= warmup;
        if learn {
            self.past.learn(score);
        }
        if !speaks {
            return Reading { score, p_value, lasting: 0.0, edge: false };
        }
        self.lasting = ln(1.0 + score).max(self.lasting * (1.0 - 1.0 / hold_rows));
        let below = p_value < edge_below;
        let edge = below && self.quiet >= hold_rows;
        self.quiet = if below { 0.0 } else { (self.quiet + 1.0).min(hold_rows) };
        Reading { score, p_value, lasting: self.lasting, edge }
    }

    /// How much a row of this score is to teach: 1 up to ten times the usual score, and less as
    /// the score grows beyond it.
    pub(crate) fn weight(&self, score: f64) -> f64 {
        let usual = self.past.median();
        if usual > 0.0 && score > WHOLE * usual { WHOLE * usual / score } else { 1.0 }
    }

    /// Nothing was said yet.
    pub(crate) fn silent(hold_rows: f64) -> Self {
        Self { quiet: hold_rows, ..Self::default() }
    }

    pub(crate) fn save(&self, numbers: &mut Vec<f64>) {
        self.past.save(numbers);
        numbers.extend([self.lasting, self.quiet]);
    }

    pub(crate) fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.past = Past::load(numbers)?;
        [self.lasting, self.quiet] = numbers.array()?;
        Some(())
    }
}
