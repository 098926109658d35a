//! The requests of a service, or along an edge, by one attribute: who has what part of them now, and had
//! before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use theriac_contract::{Entity, Interval};

use super::{
    Portion, SECONDS, Standing,
    heavy::{Heavy, Others},
    unlikely,
};

/// What comes about by chance less often than in a tick of a thousand stands out.
const DIGITS: f64 = 3.0;
/// Ticks that are looked at together at most, and the last one, two, four of them by themselves: of
/// whom few samples are seen stands out in several ticks. They are learnt when they are over.
const RECENT: usize = 8;
/// Share of what is more that the last tick must have, for it to go on.
const GOES_ON: f64 = 0.5;
/// What stands out is learnt as if it were so many times what it was before: who goes on is the new
/// usual in hours, not in minutes.
const LEARNT_MAX: f64 = 2.0;

/// What was asked in one tick, or in several.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Asked {
    all: Portion,
    /// Those that have most.
    ones: BTreeMap<String, Portion>,
    /// The most that one of the others has, of each.
    left_out: Portion,
    /// Those that stand out, by requests and by time.
    standing: [BTreeSet<String>; 2],
}

/// Requests and seconds: as many as were seen, each standing for as many as its sampler says. Of those
/// that stand for more, no more is known.
type Amounts = [f64; 2];

impl Asked {
    fn of(mut ones: BTreeMap<String, Portion>, max: usize) -> Self {
        let (mut all, mut left_out) = (Portion::default(), Portion::default());
        ones.values().for_each(|portion| all.merge(portion));
        if ones.len() > max {
            let part = |portion: &Portion| {
                let of = |amount: u64, whole: u64| amount as f64 / whole.max(1) as f64;
                of(portion.weight, all.weight).max(of(portion.time, all.time))
            };
            let mut ranked: Vec<(String, Portion)> = std::mem::take(&mut ones).into_iter().collect();
            ranked.sort_by(|a, b| part(&b.1).total_cmp(&part(&a.1)).then(a.0.cmp(&b.0)));
            for (_, other) in ranked.drain(max..) {
                left_out.weight = left_out.weight.max(other.weight);
                left_out.time = left_out.time.max(other.time);
            }
            ones.extend(ranked);
        }
        Self { all, ones, left_out, standing: Default::default() }
    }

    fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        for (name, portion) in &other.ones {
            match self.ones.get_mut(name) {
                Some(known) => known.merge(portion),
                None => {
                    self.ones.insert(name.clone(), *portion);
                }
            }
        }
    }

    fn amounts(&self, portion: &Portion) -> Amounts {
        let scale = self.all.spans as f64 / self.all.weight.max(1) as f64;
        [portion.weight as f64 * scale, portion.time as f64 * scale * SECONDS]
    }

    fn total(&self) -> Amounts {
        self.amounts(&self.all)
    }

    /// Decimal digits by which the part of one is unlikely, going by what it and all had before.
    fn digits(&self, name: &str, had: Amounts, before: Amounts) -> [f64; 2] {
        let Some(portion) = self.ones.get(name) else { return [0.0; 2] };
        let ([requests, seconds], all) = (self.amounts(portion), self.total());
        let spread = (self.all.squares as f64 * SECONDS * SECONDS, self.all.longest as f64 * SECONDS);
        [
            unlikely::of_counts(requests, all[0], had[0], before[0]),
            unlikely::of_amounts(seconds, all[1], spread, had[1], before[1]),
        ]
    }
}

/// The requests of a service, or along an edge, by one attribute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) attribute: String,
    pub(super) kind: String,
    /// Requests and seconds by asker or key, and up to when.
    known: [Heavy; 2],
    until: i64,
    /// What is not learnt yet, the oldest first.
    recent: VecDeque<Asked>,
}

fn share(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

impl Place {
    pub(super) fn new(attribute: String, kind: String) -> Self {
        Self { attribute, kind, ..Self::default() }
    }

    /// What is known fades up to `now`, nanoseconds.
    pub(super) fn fade(&mut self, now: i64, memory: Interval) {
        let passed = now.saturating_sub(self.until).max(0) as f64;
        let kept = libm::exp(-passed / memory.0.max(1) as f64);
        self.until = now;
        self.known.iter_mut().for_each(|known| known.fade(kept));
    }

    fn had(&self, name: &str) -> Amounts {
        self.known.each_ref().map(|known| known.at_most(name))
    }

    fn before(&self) -> Amounts {
        self.known.each_ref().map(Heavy::total)
    }

    /// Takes a tick in, and gives who stands out in it most, by requests and by time.
    pub(super) fn judge(&mut self, tick: BTreeMap<String, Portion>, max: usize) -> [Option<Standing>; 2] {
        self.recent.push_back(Asked::of(tick, max));
        if self.recent.len() > RECENT
            && let Some(oldest) = self.recent.pop_front()
        {
            self.learn(&oldest, max);
        }
        let windows = self.windows();
        let mut found: [Option<Standing>; 2] = [None, None];
        let mut standing: [BTreeSet<String>; 2] = Default::default();
        let newest = self.recent.back().map(|newest| &newest.ones).into_iter().flatten();
        for (name, portion) in newest {
            for (of, best) in found.iter_mut().enumerate() {
                let Some((digits, excess, window)) = self.beyond(name, of, &windows) else { continue };
                standing[of].insert(name.clone());
                if best.as_ref().is_none_or(|best| excess > best.excess) {
                    *best = Some(Standing {
                        who: Entity(format!("{}:{name}", self.kind)),
                        excess,
                        chance: libm::pow(10.0, -digits).max(f64::MIN_POSITIVE),
                        text: self.sentence(name, window),
                        slowest: portion.slowest,
                    });
                }
            }
        }
        for asked in &mut self.recent {
            asked.standing.iter_mut().zip(&standing).for_each(|(all, new)| all.extend(new.iter().cloned()));
        }
        found
    }

    /// What was asked in the last tick, the last two, four, eight.
    fn windows(&self) -> Vec<(f64, Asked)> {
        let mut windows: Vec<(f64, Asked)> = Vec::new();
        let mut together = Asked::default();
        for (ticks, asked) in (1_usize..).zip(self.recent.iter().rev()) {
            together.merge(asked);
            if ticks.is_power_of_two() {
                windows.push((ticks as f64, together.clone()));
            }
        }
        windows
    }

    /// By how many digits, and how much, one stands out by requests (0) or by time (1), and in which
    /// window most; none if he does not, or does no longer.
    fn beyond<'w>(
        &self,
        name: &str,
        of: usize,
        windows: &'w [(f64, Asked)],
    ) -> Option<(f64, f64, &'w Asked)> {
        let (had, before) = (self.had(name), self.before());
        let typical = share(before[1], before[0]);
        let excess = |asked: &Asked| {
            let own = asked.ones.get(name).map_or([0.0; 2], |portion| asked.amounts(portion));
            let more = own[of] - asked.total()[of] * share(had[of], before[of]);
            if of == 0 { more } else { share(more, typical) }
        };
        let now = excess(&windows.first()?.1);
        let of_window = |(ticks, asked): &'w (f64, Asked)| {
            let looks = windows.len() * asked.ones.len();
            let digits = asked.digits(name, had, before)[of] - libm::log10(looks.max(1) as f64);
            // Who rushed in a while ago and asks little now is over it.
            let goes_on = now >= GOES_ON * excess(asked) / ticks;
            (digits > DIGITS && goes_on).then(|| (digits, excess(asked), asked))
        };
        windows.iter().filter_map(of_window).max_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn learn(&mut self, asked: &Asked, max: usize) {
        let (before, all) = (self.before(), asked.total());
        let left_out = asked.amounts(&asked.left_out);
        // Half a request of somebody nobody ever saw.
        let prior = [0.5, 0.5 * share(before[1], before[0])];
        for of in 0..2 {
            let learnt = |(name, portion): (&String, &Portion)| {
                let amount = asked.amounts(portion)[of];
                let usual =
                    all[of] * share(self.known[of].at_most(name) + prior[of], before[of] + 2.0 * prior[of]);
                let stands = asked.standing[of].contains(name);
                (name.clone(), if stands { amount.min(LEARNT_MAX * usual) } else { amount })
            };
            let learnt: Vec<(String, f64)> = asked.ones.iter().map(learnt).collect();
            let ones: f64 = asked.ones.values().map(|portion| asked.amounts(portion)[of]).sum();
            let others = Others { each: left_out[of], all: (all[of] - ones).max(0.0) };
            self.known[of].add(&learnt, others, max);
        }
    }

    /// Parts of requests and of time, of late and before.
    fn sentence(&self, name: &str, asked: &Asked) -> String {
        let own = asked.ones.get(name).map_or([0.0; 2], |portion| asked.amounts(portion));
        let (all, had, before) = (asked.total(), self.had(name), self.before());
        let part = |amount: f64, of: f64| {
            let hundredths = 100.0 * share(amount, of);
            if hundredths >= 10.0 { format!("{hundredths:.0} %") } else { format!("{hundredths:.1} %") }
        };
        format!(
            "{} {name} has {} of the requests ({:.0} of {:.0} seen) and {} of their time; before {} and {}",
            self.kind,
            part(own[0], all[0]),
            own[0],
            all[0],
            part(own[1], all[1]),
            part(had[0], before[0]),
            part(had[1], before[1]),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bits::Bits, bucket::SpanRow, traces::sketch::WHOLE};

    /// A tick of `each` requests of 10 ms by 20 tenants and `more` of `time` ms by the last of them.
    fn tick(each: u64, more: u64, time: i64) -> BTreeMap<String, Portion> {
        let mut portions: BTreeMap<String, Portion> = BTreeMap::new();
        let row = |nanoseconds: i64| SpanRow {
            trace: 1,
            span: 1,
            kind: 2,
            end: 0,
            parent: 0,
            nanoseconds,
            weight: WHOLE,
            operation: 0,
            call: 0,
            error: false,
            resend: false,
            met: false,
            counted: false,
        };
        for tenant in 0..20 {
            for _ in 0..each {
                portions.entry(tenant.to_string()).or_default().add(&row(10_000_000));
            }
        }
        for _ in 0..more {
            portions.entry("19".to_owned()).or_default().add(&row(time * 1_000_000));
        }
        portions
    }

    fn known(ticks: usize, max: usize) -> Place {
        let mut place = Place::new("tenant.id".to_owned(), "tenant".to_owned());
        for _ in 0..ticks {
            let found = place.judge(tick(2, 0, 0), max);
            assert!(found.iter().all(Option::is_none), "{found:?}");
        }
        place
    }

    #[test]
    fn who_asks_far_more_than_before_stands_out_with_what_is_more() {
        let [requests, time] = known(50, 256).judge(tick(2, 20, 10), 256);
        let requests = requests.expect("a third of all requests");
        assert_eq!(requests.who, Entity("tenant:19".to_owned()));
        // 22 of 60, where it had 2 of 40.
        assert!((requests.excess - 19.0).abs() < 1e-9, "{}", requests.excess);
        assert_eq!(
            requests.text,
            "tenant 19 has 37 % of the requests (22 of 60 seen) and 37 % of their time; before 5.0 % and 5.0 %"
        );
        assert!(time.is_some());
    }

    #[test]
    fn who_asks_for_what_is_costly_stands_out_by_time_alone() {
        let [requests, time] = known(50, 256).judge(tick(20, 30, 1_000), 256);
        assert!(requests.is_none());
        let time = time.expect("nine tenths of the time");
        // 30.2 of 34 s where it had a twentieth: 28.5 s, of 10 ms each.
        assert!((time.excess - 2_850.0).abs() < 1e-6, "{}", time.excess);
    }

    #[test]
    fn who_is_seen_in_few_samples_stands_out_in_several_ticks() {
        let mut place = known(50, 256);
        let stood: Vec<bool> = (0..8).map(|_| place.judge(tick(1, 4, 10), 256)[0].is_some()).collect();
        assert!(!stood[0] && stood[7], "{stood:?}");
    }

    #[test]
    fn more_by_everybody_is_nobodys() {
        let found = known(50, 256).judge(tick(40, 0, 0), 256);
        assert!(found.iter().all(Option::is_none));
    }

    #[test]
    fn nobody_stands_out_before_anything_is_known() {
        let found = known(0, 256).judge(tick(2, 60, 10), 256);
        assert!(found.iter().all(Option::is_none));
    }

    #[test]
    fn who_goes_on_becomes_usual_but_not_soon() {
        let mut place = known(200, 256);
        let stood: Vec<bool> = (0..1_000).map(|_| place.judge(tick(2, 20, 10), 256)[0].is_some()).collect();
        assert!(stood[..40].iter().all(|stands| *stands));
        assert!(!stood[900..].iter().any(|stands| *stands));
    }

    #[test]
    fn one_of_more_than_are_remembered_stands_out_all_the_same() {
        // Of whom nobody remembers it is only known that he had no more than the least of the others.
        let [requests, _] = known(50, 10).judge(tick(2, 60, 10), 10);
        assert_eq!(requests.map(|found| found.who), Some(Entity("tenant:19".to_owned())));
    }

    #[test]
    fn no_more_are_kept_of_a_tick_than_are_remembered() {
        let mut place = known(3, 10);
        place.judge(tick(2, 60, 10), 10);
        assert!(place.recent.iter().all(|asked| asked.ones.len() <= 10));
    }

    #[test]
    fn what_is_known_survives_to_the_bit() {
        let mut place = known(50, 20);
        place.fade(1_000_000_000, Interval::from_seconds(3));
        let text = serde_json::to_string(&place).expect("written");
        let mut again: Place = serde_json::from_str(&text).expect("read");
        assert_eq!(again.known, place.known);
        let excess =
            |place: &mut Place| place.judge(tick(2, 20, 10), 20)[0].as_ref().map(|one| Bits(one.excess));
        let (restored, went_on) = (excess(&mut again), excess(&mut place));
        assert!(went_on.is_some());
        assert_eq!(restored, went_on);
    }
}
