//! Channels of evidence over an incident that is given as data: series before and during it, a call
//! graph, a violated objective. Each is a pure function from these to claims, and each claim is a log
//! likelihood ratio from a model of what causes, victims and bystanders show.
//!
//! | module | says |
//! |---|---|
//! | [`mod@deviation`] | how far a series is from its baseline, which was frozen before the incident |
//! | `mechanism` | what would explain other trouble of the same entity: resource before latency |
//! | `onset` | who was first |
//! | [`mod@contribution`] | who contributes to the violated objective beyond what those it calls explain |
//! | `correlation` | who moves with the violated objective |
//! | [`requests`] | what traces, logs and levels of a window with the fault show beside one without |
//! | [`change`] | which change it was, or that it was none |
//! | [`confirmed`] | weights of alerts that were learnt from confirmed causes |
//! | [`made_up`] | incidents that nobody had, for measuring and testing |
//! | [`reweight`] | how much each channel is heard, learnt from confirmed causes one by one |
//!
//! [`weigh`] puts the claims together; [`diagnose`] runs all of them.

pub mod change;
pub mod confirmed;
pub mod contribution;
mod correlation;
pub mod deviation;
pub mod made_up;
mod mechanism;
mod onset;
pub mod requests;
pub mod reweight;

use theriac_contract::{Entity, Evidence};

use self::deviation::Known;

use crate::{
    Family,
    weighing::{Suspect, Weighed, weigh},
};

/// What a channel says of a suspect.
pub type Claim = (Suspect, Evidence);

/// What the models of the channels assume. One set serves every input.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Seconds before an incident was noticed that do not count as ordinary: a detector that wants two
    /// of three ticks of a minute is that late.
    pub guard_seconds: f64,
    /// Changes below this share of the ordinary level do not matter, however steady the series is. The
    /// same is true of scales that are estimated from a handful of values.
    pub materiality: f64,
    /// What a cause moves its series by, in ordinary deviations: beyond what passes for a bad day, of
    /// unknown size (the scale of a Cauchy distribution).
    pub cause_scale: f64,
    /// The same of a victim's latency, errors and traffic: trouble fades on its way.
    pub victim_scale: f64,
    /// The share of those who are not the cause that are victims: as likely as not.
    pub victim_share: f64,
    /// Mean delay until a cause shows, seconds: two ticks of fifteen seconds.
    pub cause_delay_seconds: f64,
    /// How many times longer a victim takes.
    pub victim_delay_times: f64,
    /// Correlation with the objective that is expected of what takes part in the incident.
    pub correlation_expected: f64,
    /// The least share of a violation that can be told from none.
    pub share_min: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guard_seconds: 120.0,
            materiality: 0.1,
            cause_scale: 10.0,
            victim_scale: 3.0,
            victim_share: 0.5,
            cause_delay_seconds: 30.0,
            victim_delay_times: 4.0,
            correlation_expected: 0.8,
            share_min: 0.01,
        }
    }
}

/// One metric of one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Whose.
    pub entity: String,
    /// Which; part of the suspect.
    pub part: String,
    /// What it speaks of.
    pub family: Family,
    /// Values that are taken as ordinary, in order; NaN where there is none.
    pub ordinary: Vec<f64>,
    /// Values right before the incident that count as neither; may be empty.
    pub before: Vec<f64>,
    /// Values of the incident, in order; NaN where there is none.
    pub during: Vec<f64>,
}

/// The objective that was violated, and the work that was done for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Whose.
    pub entity: String,
    /// Which part: series with this part, of any entity, may contribute to it.
    pub part: String,
    /// Work done by each entity in each row of the incident: `(entity, [rows])`.
    pub volumes: Vec<(String, Vec<f64>)>,
}

/// An incident as data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incident {
    /// Series of all entities, rows in common.
    pub series: Vec<Series>,
    /// Seconds from row to row.
    pub step_seconds: f64,
    /// Caller and callee.
    pub calls: Vec<(String, String)>,
    /// What was violated, if it is known.
    pub objective: Option<Objective>,
}

/// A channel, so that it can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// [`mod@deviation`].
    Deviation,
    /// `mechanism`.
    Mechanism,
    /// `onset`.
    Onset,
    /// [`mod@contribution`].
    Contribution,
    /// `correlation`.
    Correlation,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Deviation, Self::Mechanism, Self::Onset, Self::Contribution, Self::Correlation];

    /// As in evidence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deviation => "deviation",
            Self::Mechanism => "mechanism",
            Self::Onset => "onset_order",
            Self::Contribution => "contribution",
            Self::Correlation => "correlation",
        }
    }

    fn claims(self, incident: &Incident, known: &Known, settings: &Settings) -> Vec<Claim> {
        match self {
            Self::Deviation => deviation::claims(incident, known, settings),
            Self::Mechanism => mechanism::claims(incident, known, settings),
            Self::Onset => onset::claims(incident, known, settings),
            Self::Contribution => contribution::claims(incident, settings),
            Self::Correlation => correlation::claims(incident, settings),
        }
    }
}

/// What all channels but one say, put together; `unknown` is as likely beforehand as any one suspect.
#[must_use]
pub fn diagnose(incident: &Incident, settings: &Settings, without: Option<Channel>) -> Vec<Weighed> {
    let known = Known::of(incident, settings);
    let channels = Channel::ALL.into_iter().filter(|channel| Some(*channel) != without);
    let claims: Vec<Claim> =
        channels.flat_map(|channel| channel.claims(incident, &known, settings)).collect();
    weigh(&claims, 0.0)
}

fn claim(entity: &str, part: &str, channel: Channel, ratio: f64, text: String) -> Claim {
    let suspect = Suspect { entity: Entity(entity.to_owned()), part: part.to_owned() };
    let evidence = Evidence {
        channel: channel.name().to_owned(),
        log_likelihood_ratio: ratio,
        text,
        symptoms: Vec::new(),
    };
    (suspect, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(entity: &str, part: &str, family: Family, during: f64) -> Series {
        let ordinary = (0..100).map(|row| 10.0 + f64::from(row % 5)).collect();
        let during = (0..30).map(|row| during + f64::from(row % 5)).collect();
        Series {
            entity: entity.to_owned(),
            part: part.to_owned(),
            family,
            ordinary,
            before: Vec::new(),
            during,
        }
    }

    fn incident() -> Incident {
        let series = vec![
            series("web", "latency", Family::Latency, 60.0),
            series("cart", "latency", Family::Latency, 80.0),
            series("cart", "memory", Family::Memory, 40.0),
            series("cart", "cpu", Family::Cpu, 90.0),
            series("mail", "cpu", Family::Cpu, 10.0),
        ];
        Incident { series, step_seconds: 1.0, ..Incident::default() }
    }

    #[test]
    fn the_resource_that_explains_the_rest_is_first() {
        let weighed = diagnose(&incident(), &Settings::default(), None);
        let first = weighed[0].suspect.as_ref().expect("not unknown");
        assert_eq!((first.entity.0.as_str(), first.part.as_str()), ("cart", "memory"));
        let total: f64 = weighed.iter().map(|one| one.probability).sum();
        assert!((total - 1.0).abs() < 1e-9);
    }

    #[test]
    fn neither_order_nor_names_matter() {
        let settings = Settings::default();
        let expected = diagnose(&incident(), &settings, None);
        let mut shuffled = incident();
        shuffled.series.reverse();
        assert_eq!(diagnose(&shuffled, &settings, None), expected);
        let mut renamed = incident();
        renamed.series.iter_mut().for_each(|one| one.entity.insert(0, 'x'));
        let renamed = diagnose(&renamed, &settings, None);
        let odds = |all: &[Weighed]| all.iter().map(|one| one.log_odds).collect::<Vec<_>>();
        assert_eq!(odds(&renamed), odds(&expected));
    }

    #[test]
    fn without_series_all_is_unknown() {
        let weighed = diagnose(&Incident::default(), &Settings::default(), None);
        assert_eq!((weighed.len(), weighed[0].probability), (1, 1.0));
    }
}
