use std::collections::BTreeSet;

use theriac_datasets::fleet::{
    Topology,
    baseline::{Nothing, Runbook},
    episode::setup,
    record,
    score::{
        Cause, Episode, Event, EventKind, Report, Survival, Time, bootstrap_macro, judge, poisson_rate,
        proportion,
    },
    trial::{Yardstick, onset, play_scored},
};

/// Published: 0 of 10 and 5 of 10 at 95 % (Clopper and Pearson 1934, tables of binom.test in R).
#[test]
fn intervals_agree_with_tables() {
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-4, "{a} {b}");
    let none = proportion(0, 10, 0.95);
    near(none.low, 0.0);
    near(none.high, 0.308_50);
    let half = proportion(5, 10, 0.95);
    near(half.low, 0.187_09);
    near(half.high, 0.812_91);
    // 2,910 of 3,000: the note on the size of a campaign.
    let large = proportion(2_910, 3_000, 0.95);
    assert!(large.low > 0.963 && large.high < 0.977, "{large:?}");
    // None in 52 weeks, both sides; ten in one, poisson.test in R.
    near(poisson_rate(0, 52.0, 0.95).high, 3.688_88 / 52.0);
    let ten = poisson_rate(10, 1.0, 0.95);
    near(ten.low, 4.795_39);
    near(ten.high, 18.390_36);
}

#[test]
fn times_are_censored_not_dropped() {
    let times = vec![
        Time::Seen(10.0),
        Time::Seen(20.0),
        Time::Censored(25.0),
        Time::Seen(30.0),
        Time::Censored(60.0),
    ];
    let survival = Survival::of(times);
    let expected = [(10.0, 0.8), (20.0, 0.6), (30.0, 0.3)];
    assert_eq!(survival.steps.len(), 3);
    for ((at, left), (a, b)) in survival.steps.iter().zip(expected) {
        assert!((at - a).abs() < 1e-12 && (left - b).abs() < 1e-12);
    }
    assert_eq!(survival.quantile(0.5), Some(30.0));
    assert_eq!(survival.quantile(0.9), None);
    assert_eq!((survival.count, survival.seen), (5, 3));
    assert!((survival.mean_at_cap - 29.0).abs() < 1e-12);
}

/// Five of whom two were given up, by the formula: what `survfit` in R calls `conf.type = "log-log"`.
#[test]
fn bands_are_those_of_greenwood() {
    let seen = [10.0, 20.0, 30.0].map(Time::Seen);
    let censored = [25.0, 60.0].map(Time::Censored);
    let survival = Survival::of(seen.into_iter().chain(censored).collect());
    // By hand: variance of ln S is the sum of d/(n(n-d)); the exponent is exp(1.96 sqrt(variance)/|ln S|).
    let expected = |share: f64, variance: f64| {
        let spread = libm::exp(1.959_964 * f64::sqrt(variance) / f64::abs(libm::log(share)));
        (libm::pow(share, spread), libm::pow(share, 1.0 / spread))
    };
    let sums = [1.0 / 20.0, 1.0 / 20.0 + 1.0 / 12.0, 1.0 / 20.0 + 1.0 / 12.0 + 1.0 / 2.0];
    for ((band, (_, share)), variance) in survival.bands.iter().zip(&survival.steps).zip(sums) {
        let (low, high) = expected(*share, variance);
        assert!((band.low - low).abs() < 1e-6 && (band.high - high).abs() < 1e-6, "{band:?}");
        assert!(band.low < *share && *share < band.high);
    }
    assert_eq!(survival.censored, [25.0, 60.0]);
    // The band reaches a half from below at the first step and from above at none.
    assert_eq!(survival.quantile_interval(0.5), (Some(10.0), None));
    let all = Survival::of(vec![Time::Seen(1.0); 20]);
    assert_eq!(all.bands.len(), 1, "nobody is left, and the band is whole");
    assert!(all.bands[0].low.abs() < 1e-12 && all.bands[0].high >= all.bands[0].low);
}

fn episode() -> Episode {
    let action = |at: f64, name: &str, harm: f64| Event {
        at,
        kind: EventKind::Action {
            name: name.to_owned(),
            target: "payment".to_owned(),
            changes: true,
            undo: false,
            harm: Some(harm),
            irreversible: false,
            unnecessary: false,
        },
    };
    let log = vec![
        Event { at: 70.0, kind: EventKind::Symptom { entity: "ads/ads-1".to_owned() } },
        Event { at: 75.0, kind: EventKind::Symptom { entity: "payment/payment-1".to_owned() } },
        Event {
            at: 80.0,
            kind: EventKind::Diagnosis {
                ranked: vec![
                    ("ads".to_owned(), "version".to_owned()),
                    ("payment".to_owned(), "version".to_owned()),
                ],
                path: vec!["payment".to_owned(), "ads".to_owned()],
                probability: Some(0.7),
            },
        },
        action(85.0, "rollback_deploy payment", -100.0),
        Event { at: 240.0, kind: EventKind::Verified { recovered: Some(true) } },
    ];
    Episode {
        cause: Some(Cause {
            also: Vec::new(),
            code: "F27".to_owned(),
            component: "payment".to_owned(),
            cause: "version".to_owned(),
            path: vec!["payment".to_owned(), "frontend".to_owned()],
            injected: 60.0,
            observable: 70.0,
            acceptable: vec!["rollback_deploy payment".to_owned()],
            healable: true,
        }),
        others: Vec::new(),
        horizon: 540.0,
        bad_seconds: (62..110).collect(),
        restored: true,
        loss: 60.0,
        loss_nothing: 500.0,
        loss_oracle: 20.0,
        log,
    }
}

#[test]
fn an_episode_is_judged_by_its_parts() {
    let judged = judge(&episode());
    assert_eq!(judged.first_bad, Some(62.0));
    assert_eq!(judged.detected, Some(5.0));
    assert_eq!(judged.detected_from_impact, Some(13.0));
    assert_eq!((judged.rank, judged.rank_with_cause), (Some(1), Some(1)));
    assert!((judged.path_f1 - 0.5).abs() < 1e-12);
    assert_eq!(judged.recovered, Some(48.0));
    assert_eq!(judged.first_acceptable, Some(true));
    assert!((judged.healed_share.unwrap() - 440.0 / 480.0).abs() < 1e-12);
    assert!(!judged.end_to_end() && !judged.flapped);
}

#[test]
fn what_is_claimed_must_be_so() {
    let mut worse = episode();
    worse.bad_seconds = (62..540).collect();
    worse.loss = 900.0;
    let report = Report::of(&[episode(), worse], 1);
    assert_eq!((report.false_success.count, report.false_success.of), (1, 2));
    assert_eq!(report.recover.quantile(0.5), Some(48.0));
    assert_eq!(report.recover.quantile(0.9), None);
    assert_eq!(report.ac3.count, 2);
    assert_eq!(report.by_type.len(), 1);
    assert!(report.headline().is_some());
}

#[test]
fn safety_cannot_be_bought() {
    let mut quiet = episode();
    quiet.cause = None;
    quiet.horizon = 7.0 * 86_400.0;
    quiet.bad_seconds.clear();
    if let EventKind::Action { harm, .. } = &mut quiet.log[3].kind {
        *harm = Some(400.0);
    }
    let report = Report::of(&[episode(), quiet], 1);
    assert_eq!(report.harmful_without_fault, 1);
    assert!((report.false_actions_per_week.0 - 1.0).abs() < 1e-9);
    assert_eq!(report.headline(), None);
}

#[test]
fn going_to_and_fro_is_flapping() {
    let mut flaps = episode();
    let action = flaps.log[3].clone();
    for at in [200.0, 400.0] {
        flaps.log.push(Event { at, ..action.clone() });
    }
    assert!(judge(&flaps).flapped);
}

#[test]
fn the_bootstrap_is_the_same_each_time_and_holds_the_mean() {
    let strata = vec![vec![0.0, 1.0, 1.0, 0.5], vec![0.2, 0.4], vec![]];
    let interval = bootstrap_macro(&strata, 500, 4);
    assert_eq!(interval, bootstrap_macro(&strata, 500, 4));
    let mean = f64::midpoint(0.625, 0.3);
    assert!(interval.low < mean && mean < interval.high);
}

/// From the simulator to the scorer: a runbook heals a bad deploy, nobody does not.
#[test]
fn a_policy_is_scored() {
    let topology = Topology::boutique().unwrap();
    let deploy = record("F27").unwrap();
    let setup = setup(deploy, 1, &topology);
    let yardstick = Yardstick::of(&onset(&setup)).unwrap();
    let alone = play_scored(&setup, &yardstick, &mut Nothing);
    let runbook = play_scored(&setup, &yardstick, &mut Runbook::default());
    let codes: BTreeSet<String> =
        [&alone, &runbook].iter().filter_map(|e| e.cause.as_ref()).map(|c| c.code.clone()).collect();
    assert_eq!(codes.len(), 1);
    let (alone, runbook) = (judge(&alone), judge(&runbook));
    assert_eq!((alone.healed_share, alone.recovered), (Some(0.0), None));
    assert!(runbook.healed_share > Some(0.5) && runbook.recovered.is_some(), "{runbook:?}");
    assert_eq!(runbook.first_acceptable, Some(true));
}

/// Two faults: payment's, and one of search that comes later.
fn two_faults() -> Episode {
    let mut both = episode();
    both.others = vec![Cause {
        code: "F30".to_owned(),
        component: "search".to_owned(),
        cause: "configuration".to_owned(),
        path: vec!["search".to_owned(), "frontend".to_owned()],
        injected: 90.0,
        observable: 100.0,
        acceptable: vec!["rollback_config search".to_owned()],
        ..both.cause.clone().unwrap()
    }];
    both
}

fn named(at: f64, component: &str) -> Event {
    let (ranked, path) = (vec![(component.to_owned(), "version".to_owned())], vec![component.to_owned()]);
    Event { at, kind: EventKind::Diagnosis { ranked, path, probability: None } }
}

fn did(at: f64, name: &str) -> Event {
    let mut event = episode().log[3].clone();
    event.at = at;
    if let EventKind::Action { name: of, .. } = &mut event.kind {
        of.clear();
        of.push_str(name);
    }
    event
}

#[test]
fn of_two_faults_both_must_be_noticed_named_and_healed() {
    let symptom =
        |at: f64, entity: &str| Event { at, kind: EventKind::Symptom { entity: entity.to_owned() } };
    let verified = Event { at: 400.0, kind: EventKind::Verified { recovered: Some(true) } };
    let mut both = two_faults();
    both.log = vec![
        symptom(75.0, "payment"),
        named(80.0, "payment"),
        did(81.0, "rollback_deploy payment"),
        symptom(112.0, "search"),
        named(115.0, "search"),
        did(116.0, "rollback_config search"),
        verified.clone(),
    ];
    let judged = judge(&both);
    assert_eq!((judged.rank, judged.rank_with_cause), (Some(0), None), "search was no version");
    assert_eq!(judged.detected, Some(12.0), "the one that was noticed last counts");
    assert_eq!((judged.acceptable.as_slice(), judged.believed), ([true, true].as_slice(), None));
    assert!(judged.end_to_end());
    // One of them is not noticed at all.
    let mut deaf = both.clone();
    deaf.log.retain(|event| event.at < 110.0 || event.at > 130.0);
    assert_eq!((judge(&deaf).detected, judge(&deaf).rank), (None, None));
    assert!(!judge(&deaf).end_to_end());
    // A wrong name takes the place of a right one, though that follows.
    let mut wrong = both.clone();
    wrong.log.splice(3..3, [named(85.0, "cart"), did(86.0, "restart cart")]);
    assert_eq!(judge(&wrong).rank, None);
    // Two plans of one round: what was said just before both counts.
    let mut at_once = both;
    at_once.log = vec![
        symptom(75.0, "payment"),
        symptom(112.0, "search"),
        named(115.0, "payment"),
        named(115.0, "search"),
        did(115.0, "rollback_deploy payment"),
        did(115.0, "rollback_config search"),
        verified,
    ];
    assert_eq!(judge(&at_once).rank, Some(0));
}

#[test]
fn how_sure_it_was_is_kept_with_what_it_named() {
    assert_eq!(judge(&episode()).believed, Some(0.7));
    // Logs from before that was told can still be read.
    let line = r#"{"at":1.0,"kind":"diagnosis","ranked":[["a","b"]],"path":[]}"#;
    let event: Event = serde_json::from_str(line).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), line);
}
