//! Circuits to executors that are not closed, looked up when metrics are asked for.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
};
use theriac_connectors::executor::circuits;

use super::sight::gauges;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    executor: String,
    state: &'static str,
}

/// The circuits of this process.
#[derive(Debug)]
pub(super) struct CircuitGauge;

impl Collector for CircuitGauge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Circuits to an executor, one for each service, that let nothing through (open) or are being \
                    tried (half_open)";
        let samples = circuits().into_iter().flat_map(|(executor, circuits)| {
            [("open", circuits.open), ("half_open", circuits.half_open)]
                .map(|(state, count)| (Standing { executor: executor.clone(), state }, count))
        });
        gauges(&mut encoder, ("executor_circuits", None), help, samples)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus_client::registry::Registry;
    use theriac_connectors::executor::{BreakerSettings, Guarded};
    use theriac_contract::{Action, Command, Entity, Executor, Id, Interval, Timestamp, Verdict};

    use super::*;
    use crate::operations::metrics::exposition;

    /// Fails whatever it is asked for, but what is done to `payment`.
    struct Failing;

    impl Executor for Failing {
        fn name(&self) -> &str {
            "gauge-test"
        }

        fn execute(&self, command: &Command) -> (Verdict, String) {
            let well = command.action.target.as_str() == "payment";
            let verdict = if well { Verdict::Succeeded } else { Verdict::Failed { retryable: true } };
            (verdict, String::new())
        }
    }

    fn command(target: &str) -> Command {
        Command {
            plan: Id::derive("plan", &["p"]),
            incident: Id::derive("incident", &["i"]),
            step: 0,
            attempt: 1,
            compensation: false,
            action: Action {
                verb: "restart".to_owned(),
                target: Entity(target.to_owned()),
                parameters: [].into(),
            },
            idempotency_key: Id::derive("step", &[target]),
            domain: String::new(),
            fencing_token: 1,
            dry_run: false,
            timeout: Interval::from_seconds(1),
            issued: Timestamp::from_seconds(1_700_000_000),
        }
    }

    #[test]
    fn open_circuits_are_on_the_page_for_as_long_as_their_executor_is() {
        let page = || {
            let mut registry = Registry::default();
            registry.sub_registry_with_prefix("theriac").register_collector(Box::new(CircuitGauge));
            exposition(&registry, false).expect("it is text").1
        };
        let line = |state: &str, count: u64| {
            format!("theriac_executor_circuits{{executor=\"gauge-test\",state=\"{state}\"}} {count}")
        };
        let settings = BreakerSettings { failures: 1, of: 1, ..BreakerSettings::default() };
        let guarded = Guarded::new(Arc::new(Failing), settings);
        assert!(page().contains(&line("open", 0)), "{}", page());
        for target in ["cart", "orders", "payment"] {
            guarded.execute(&command(target));
        }
        assert!(page().contains(&line("open", 2)) && page().contains(&line("half_open", 0)), "{}", page());
        drop(guarded);
        assert!(!page().contains("gauge-test"), "{}", page());
    }
}
