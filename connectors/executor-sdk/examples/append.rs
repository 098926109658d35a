//! An executor in thirty lines: for each command it appends a line to a file.
//! `BROKERS=127.0.0.1:19092 EFFECTS=/tmp/effects cargo run -p theriac-executor --example append`

use std::{env, fs, io, io::Write, path::PathBuf, sync::atomic::AtomicBool};

use theriac_executor::{Command, Handler, Lease, Reconciled, Settings, Verdict, run};

pub(crate) struct Append(pub(crate) PathBuf);

impl Handler for Append {
    fn act(&self, command: &Command, lease: &Lease) -> (Verdict, String) {
        let Command { idempotency_key, action, .. } = command;
        match fs::File::options().create(true).append(true).open(&self.0) {
            Ok(_) if !lease.held() => (Verdict::Failed { retryable: true }, "the lease is over".to_owned()),
            Ok(mut file) => {
                // In one write: another process appends to the same file.
                let line = format!("{idempotency_key} {} {}\n", action.verb, action.target);
                match file.write_all(line.as_bytes()) {
                    Ok(()) => (Verdict::Succeeded, "noted".to_owned()),
                    Err(error) => (Verdict::Unknown, error.to_string()),
                }
            }
            Err(error) => (Verdict::Failed { retryable: true }, error.to_string()),
        }
    }

    fn reconcile(&self, command: &Command) -> Reconciled {
        match fs::read_to_string(&self.0) {
            Ok(text) if text.contains(&command.idempotency_key.0) => Reconciled::Done("noted".to_owned()),
            Ok(_) => Reconciled::NotDone,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Reconciled::NotDone,
            Err(error) => Reconciled::CannotTell(error.to_string()),
        }
    }
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prefix = env::var("PREFIX").unwrap_or_else(|_| "theriac.".to_owned());
    let settings = Settings { prefix, ..Settings::new("shop", env::var("BROKERS")?) };
    Ok(run(&settings, Append(env::var("EFFECTS")?.into()), &AtomicBool::new(false))?)
}
