//! The channels of evidence. Each adds a log likelihood ratio and a sentence: how much more
//! probable what was seen is if the suspicion is right than if it is not.

mod asking;
mod contribution;
mod exhaustion;
mod marked;
mod mechanism;
mod network;
mod place;
mod precedent;

use theriac_contract::{Change, Direction, Evidence, Id};

pub(crate) use asking::named;
pub(crate) use contribution::{Account, account};
pub(crate) use mechanism::weigh as weigh_mechanism;
pub(crate) use place::weigh as weigh_place;
pub(crate) use precedent::{Precedents, shown};

use crate::{
    channel::reweight::Weights,
    family::Family,
    view::{Mark, Trouble, View},
};

/// Kinds of fault that are weighed at every suspect, beside `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    MemoryLeak,
    CrashLoop,
    SlowDependency,
    BadDeploy,
    ErrorBurst,
    ByzantineReplica,
    CpuSaturation,
    TrafficSurge,
    BrokenHost,
    BadConfiguration,
    BrokenNetwork,
    PoolExhaustion,
    StorageExhaustion,
    Hang,
    LockContention,
    ReplicaLag,
    DataCorruption,
    ConsumerBacklog,
    CertificateExpired,
    ClockSkew,
    CacheStampede,
    QuotaExceeded,
    PoisonRecord,
    LyingSensor,
    AbusiveTenant,
    HotKey,
}

impl Fault {
    pub(crate) const ALL: [Self; 26] = [
        Self::MemoryLeak,
        Self::CrashLoop,
        Self::SlowDependency,
        Self::BadDeploy,
        Self::ErrorBurst,
        Self::ByzantineReplica,
        Self::CpuSaturation,
        Self::TrafficSurge,
        Self::BrokenHost,
        Self::BadConfiguration,
        Self::BrokenNetwork,
        Self::PoolExhaustion,
        Self::StorageExhaustion,
        Self::Hang,
        Self::LockContention,
        Self::ReplicaLag,
        Self::DataCorruption,
        Self::ConsumerBacklog,
        Self::CertificateExpired,
        Self::ClockSkew,
        Self::CacheStampede,
        Self::QuotaExceeded,
        Self::PoisonRecord,
        Self::LyingSensor,
        Self::AbusiveTenant,
        Self::HotKey,
    ];

    /// As in playbooks.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::MemoryLeak => "memory_leak",
            Self::CrashLoop => "crash_loop",
            Self::SlowDependency => "slow_dependency",
            Self::BadDeploy => "bad_deploy",
            Self::ErrorBurst => "error_burst",
            Self::ByzantineReplica => "byzantine_replica",
            Self::CpuSaturation => "cpu_saturation",
            Self::TrafficSurge => "traffic_surge",
            Self::BrokenHost => "host_fault",
            Self::BadConfiguration => "bad_configuration",
            Self::BrokenNetwork => "network_fault",
            Self::PoolExhaustion => "pool_exhaustion",
            Self::StorageExhaustion => "storage_exhaustion",
            Self::Hang => "hang",
            Self::LockContention => "lock_contention",
            Self::ReplicaLag => "replica_lag",
            Self::DataCorruption => "data_corruption",
            Self::ConsumerBacklog => "consumer_backlog",
            Self::CertificateExpired => "certificate_expired",
            Self::ClockSkew => "clock_skew",
            Self::CacheStampede => "cache_stampede",
            Self::QuotaExceeded => "quota_exceeded",
            Self::PoisonRecord => "poison_record",
            Self::LyingSensor => "lying_sensor",
            Self::AbusiveTenant => "abusive_tenant",
            Self::HotKey => "hot_key",
        }
    }

    /// What names somebody of many, where that one is what is wrong.
    pub(crate) const fn names_one(self) -> Option<Family> {
        match self {
            Self::AbusiveTenant => Some(Family::Asker),
            Self::HotKey => Some(Family::Key),
            _ => None,
        }
    }

    /// Whether it is work that comes in, and is felt by whom it is passed on to.
    pub(crate) const fn is_load(self) -> bool {
        matches!(self, Self::TrafficSurge | Self::AbusiveTenant)
    }

    /// Whether it means that something says what is not so.
    pub(crate) const fn is_about_trust(self) -> bool {
        matches!(self, Self::ByzantineReplica | Self::LyingSensor)
    }

    /// What an instance with this fault shows, where that tells it from peers that only suffer for it; none
    /// if any trouble does.
    pub(crate) const fn marks(self) -> &'static [Mark] {
        const UP: Option<Direction> = Some(Direction::Up);
        match self {
            Self::CrashLoop => &[(Family::Restarts, None), (Family::Missing, None)],
            Self::MemoryLeak => &[(Family::Memory, UP)],
            Self::CpuSaturation => &[(Family::Cpu, UP)],
            Self::StorageExhaustion => &[(Family::Storage, None)],
            Self::ByzantineReplica => &[(Family::Mismatch, None)],
            Self::Hang => &[(Family::Traffic, Some(Direction::Down))],
            Self::ReplicaLag => &[(Family::Replication, UP)],
            Self::DataCorruption => &[(Family::Corruption, UP)],
            Self::ClockSkew => &[(Family::Clock, None)],
            Self::ConsumerBacklog | Self::PoisonRecord => &[(Family::Backlog, UP)],
            _ => &[],
        }
    }

    /// Whether it shows in latency and errors only, which callers of a troubled service show, too.
    pub(crate) const fn looks_like_a_victim(self) -> bool {
        matches!(
            self,
            Self::SlowDependency
                | Self::BadDeploy
                | Self::BadConfiguration
                | Self::ErrorBurst
                | Self::PoolExhaustion
                | Self::Hang
        )
    }
}

/// Reasons that gather for one hypothesis.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reasons {
    pub(crate) list: Vec<Evidence>,
    pub(crate) change: Option<Change>,
}

impl Reasons {
    pub(crate) fn add(&mut self, channel: &str, ratio: f64, text: String, symptoms: Vec<Id>) {
        self.list.push(Evidence { channel: channel.to_owned(), log_likelihood_ratio: ratio, text, symptoms });
    }

    /// Sum of the log likelihood ratios, each with the weight of its channel. What is told stays as it was
    /// said: weights are learnt from that.
    pub(crate) fn total(&self, weights: &Weights) -> f64 {
        let heard = |evidence: &Evidence| weights.of(&evidence.channel) * evidence.log_likelihood_ratio;
        self.list.iter().map(heard).sum()
    }
}

/// The sentence of a symptom and its id.
fn said(trouble: &Trouble<'_>) -> (String, Vec<Id>) {
    let kept = trouble.kept;
    let p = kept.p_value;
    (format!("{} of {} is unusual (p = {p:.1e})", kept.signal, kept.about()), vec![kept.id.clone()])
}

/// Seconds by which the trouble at `entity` began after the first of the incident.
fn lag_seconds(view: &View<'_>, entity: &theriac_contract::Entity) -> Option<f64> {
    Some(view.onset(entity)?.since(view.began()).as_seconds())
}
