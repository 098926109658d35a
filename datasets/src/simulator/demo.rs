//! The scenario of the demonstration, drawn from a seed.

use std::collections::BTreeSet;

use theriac_contract::{series::Entity, time::Interval};

use super::scenario::{Benign, BenignKind, Fault, FaultKind, Scenario};
use crate::random::Stream;

/// Fault-free time at the start of the demo.
const DEMO_WARM_UP_SECONDS: i64 = 15 * 60;
/// Time from one fault of the demo to the next.
const DEMO_ROOM_SECONDS: i64 = 10 * 60;

impl Scenario {
    /// The demo: a quarter of an hour in which nothing is wrong, then six faults one after
    /// another with ten minutes of room each, order and places drawn from the seed; between
    /// them harmless deploys, a traffic bump and a blip.
    #[must_use]
    pub fn demo(seed: u64) -> Self {
        let mut draw = Stream::of(seed, "scenario", "demo");
        let mut kinds = [
            FaultKind::MemoryLeak,
            FaultKind::CrashLoop,
            FaultKind::SlowDependency,
            FaultKind::BadDeploy,
            FaultKind::ErrorBurst,
            FaultKind::ByzantineReplica,
        ];
        draw.shuffle(&mut kinds);
        let targets = Self::draw_targets(&kinds, &mut draw);
        let mut faults: Vec<Fault> = Vec::new();
        for (place, (kind, target)) in kinds.into_iter().zip(targets).enumerate() {
            let jitter = draw.below(60) as i64;
            let at = DEMO_WARM_UP_SECONDS + place as i64 * DEMO_ROOM_SECONDS + jitter;
            let duration = match kind {
                FaultKind::ErrorBurst => 60 + draw.below(61) as i64,
                _ => 480,
            };
            faults.push(Fault {
                kind,
                target,
                at: Interval::from_seconds(at),
                duration: Interval::from_seconds(duration),
                strength: 1.0,
            });
        }
        let benign = Self::draw_benign(&faults, &mut draw);
        Self {
            seed,
            horizon: Interval::from_seconds(DEMO_WARM_UP_SECONDS + 6 * DEMO_ROOM_SECONDS + 60),
            faults,
            benign,
            ..Self::default()
        }
    }

    /// A place for each fault, each on another service, so that an unhealed fault does not
    /// hide the next one. An assignment exists; it is found by drawing again.
    fn draw_targets(kinds: &[FaultKind], draw: &mut Stream) -> Vec<Entity> {
        let mut targets = Vec::new();
        for _ in 0..10_000 {
            targets = kinds.iter().map(|kind| Self::draw_target(*kind, draw)).collect();
            let services: BTreeSet<&str> = targets.iter().map(Entity::service).collect();
            if services.len() == kinds.len() {
                break;
            }
        }
        targets
    }

    fn draw_target(kind: FaultKind, draw: &mut Stream) -> Entity {
        let services: &[&str] = match kind {
            FaultKind::MemoryLeak | FaultKind::BadDeploy => &["shop", "cart", "catalog", "payment"],
            FaultKind::CrashLoop => &["shop", "cart", "payment"],
            FaultKind::SlowDependency => &["bank", "database"],
            FaultKind::ErrorBurst => &["gateway", "shop", "payment", "cart"],
            FaultKind::ByzantineReplica => &["cart", "catalog"],
            FaultKind::CpuSaturation | FaultKind::TrafficSurge => &["gateway"],
        };
        let service = services[draw.below(services.len())];
        let ordinal = 1 + draw.below(3);
        match kind {
            FaultKind::CrashLoop | FaultKind::ByzantineReplica => {
                Entity::instance(service, &format!("{service}-{ordinal}"))
            }
            _ => Entity(service.to_owned()),
        }
    }

    /// Disturbances in the second half of the room of the faults, and decoy changes just
    /// before some of them.
    fn draw_benign(faults: &[Fault], draw: &mut Stream) -> Vec<Benign> {
        let durable = |service: &str| {
            let new_version = |kind| matches!(kind, FaultKind::BadDeploy | FaultKind::MemoryLeak);
            faults.iter().any(|fault| new_version(fault.kind) && fault.target.service() == service)
        };
        let mut calm = vec!["gateway", "shop", "cart", "catalog", "payment"];
        calm.retain(|service| !durable(service));
        let kinds = [
            (BenignKind::Deploy, 0, -90),
            (BenignKind::Configuration, 1, -120),
            (BenignKind::Deploy, 2, 420),
            (BenignKind::TrafficBump, 3, 330),
            (BenignKind::Blip, 4, 420),
        ];
        let mut benign = Vec::new();
        for (kind, place, offset) in kinds {
            let Some(fault) = faults.get(place) else { continue };
            benign.push(Benign {
                kind,
                target: Entity(calm[draw.below(calm.len())].to_owned()),
                at: Interval(fault.at.0 + Interval::from_seconds(offset).0),
                duration: Interval::from_seconds(if kind == BenignKind::Blip { 10 } else { 180 }),
            });
        }
        benign
    }
}
