//! Which executor does what.

use std::{collections::BTreeMap, sync::Arc};

use glob::Pattern;
use serde::{Deserialize, Serialize};
use theriac_contract::{Command, Executor, Verdict};

use super::{log::Log, settings::ExecutorError};

/// Sends commands whose verb and target match to an executor. The first match counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Pattern of the verb, `*` for any text: `restart`, `*_circuit`.
    #[serde(default = "any")]
    pub verb: String,
    /// Pattern of the target: `cart`, `cart/*`, `host:*`.
    #[serde(default = "any")]
    pub target: String,
    /// Name of the executor.
    pub executor: String,
}

fn any() -> String {
    "*".to_owned()
}

/// Several executors as one. A command that no route takes is refused; as a dry run it is
/// told in words.
pub struct Routes {
    routes: Vec<(Pattern, Pattern, Arc<dyn Executor>)>,
}

impl Routes {
    /// Joins executors by name.
    ///
    /// # Errors
    /// If a pattern is none, or a route names an executor that is not there.
    pub fn new(
        routes: &[Route],
        executors: &BTreeMap<String, Arc<dyn Executor>>,
    ) -> Result<Self, ExecutorError> {
        let mut joined = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let pattern = |text: &str| {
                let fail =
                    |e: glob::PatternError| ExecutorError::Route { index, reason: format!("`{text}`: {e}") };
                Pattern::new(text).map_err(fail)
            };
            let executor = executors.get(&route.executor).ok_or_else(|| ExecutorError::Route {
                index,
                reason: format!(
                    "executor `{}` is not defined; there are: {}",
                    route.executor,
                    executors.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
            })?;
            joined.push((pattern(&route.verb)?, pattern(&route.target)?, Arc::clone(executor)));
        }
        Ok(Self { routes: joined })
    }

    fn route(&self, command: &Command) -> Option<&dyn Executor> {
        let (named, on) = (&command.action.verb, command.action.target.as_str());
        let found = self.routes.iter().find(|(verb, target, _)| verb.matches(named) && target.matches(on));
        found.map(|(_, _, executor)| executor.as_ref())
    }
}

impl Executor for Routes {
    fn name(&self) -> &str {
        "routes"
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        match self.route(command) {
            Some(executor) => {
                let (verdict, detail) = executor.execute(command);
                (verdict, format!("{}: {detail}", executor.name()))
            }
            None if command.dry_run => Log.execute(command),
            None => {
                let detail = format!("no route for {} on {}", command.action.verb, command.action.target);
                (Verdict::Failed { retryable: false }, detail)
            }
        }
    }

    fn remembers(&self, command: &Command) -> bool {
        self.route(command).is_some_and(|executor| executor.remembers(command))
    }
}
