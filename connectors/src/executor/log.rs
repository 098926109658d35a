//! Says what would be done and does nothing.

use theriac_contract::{Command, Executor, Verdict};

/// Answers every command with the words of what would be done.
#[derive(Clone, Debug, Default)]
pub struct Log;

/// A command in words: `restart cart/cart-2 (grace=5s)`.
#[must_use]
pub(crate) fn words(command: &Command) -> String {
    let action = &command.action;
    let parameters: Vec<String> =
        action.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parameters =
        if parameters.is_empty() { String::new() } else { format!(" ({})", parameters.join(", ")) };
    let undo = if command.compensation { "undo: " } else { "" };
    format!("{undo}{} {}{parameters}", action.verb, action.target)
}

impl Executor for Log {
    fn name(&self) -> &str {
        "log"
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        (Verdict::Succeeded, format!("would {}", words(command)))
    }
}
