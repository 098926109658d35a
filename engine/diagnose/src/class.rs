//! How a fault behaves: transient, permanent or Byzantine.

use theriac_contract::FaultClass;

use crate::{
    evidence::{Fault, Reasons},
    view::View,
};

/// Class of a fault, with a reason. The kind gives a first answer, duration and return
/// revise it: what stands long or comes back does not go away by itself.
pub(crate) fn class(view: &View<'_>, fault: Fault, reasons: &mut Reasons) -> FaultClass {
    let stood = view.at.since(view.case.opened);
    let by_kind = match fault {
        Fault::ByzantineReplica | Fault::DataCorruption | Fault::LyingSensor => FaultClass::Byzantine,
        Fault::MemoryLeak
        | Fault::CrashLoop
        | Fault::BadDeploy
        | Fault::BadConfiguration
        | Fault::BrokenHost
        | Fault::PoolExhaustion
        | Fault::StorageExhaustion
        | Fault::CertificateExpired
        | Fault::ClockSkew
        | Fault::PoisonRecord
        | Fault::Hang => FaultClass::Permanent,
        Fault::LockContention
        | Fault::ReplicaLag
        | Fault::ConsumerBacklog
        | Fault::CacheStampede
        | Fault::QuotaExceeded
        | Fault::SlowDependency
        | Fault::ErrorBurst
        | Fault::CpuSaturation
        | Fault::TrafficSurge
        | Fault::AbusiveTenant
        | Fault::HotKey
        | Fault::BrokenNetwork => FaultClass::Transient,
    };
    let returned = view.case.recurrences;
    let stays = stood > view.settings.transient_within && view.case.stands();
    let (class, text) = match by_kind {
        FaultClass::Transient if stays => {
            let within = view.settings.transient_within;
            (FaultClass::Permanent, format!("it has stood for longer than {within}"))
        }
        FaultClass::Transient if returned >= 3 => {
            (FaultClass::Permanent, format!("it came back {returned} times"))
        }
        FaultClass::Transient => (
            FaultClass::Transient,
            format!("such a fault may pass; it has stood for {:.0} s", stood.as_seconds()),
        ),
        FaultClass::Byzantine => (FaultClass::Byzantine, "vantage points disagree".to_owned()),
        other => (other, "such a fault does not go away by itself".to_owned()),
    };
    reasons.add("class", 0.0, text, Vec::new());
    class
}
