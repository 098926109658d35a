//! Asking a service whether it is well.

use std::{
    net::{TcpStream, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

use ureq::Agent;

use super::{identity::Identity, settings::Health};

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(2);
/// How long between two questions.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a service that cannot be asked must have run to be called well.
const STANDS: Duration = Duration::from_millis(200);

/// Asks once.
pub(super) fn ask(health: &Health, patience: Duration) -> Result<(), String> {
    let patience = patience.clamp(Duration::from_millis(1), QUESTION);
    match health {
        Health::None => Ok(()),
        Health::Http(url) => {
            let agent: Agent = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .timeout_global(Some(patience))
                .build()
                .into();
            let status = agent.get(url).call().map_err(|error| error.to_string())?.status().as_u16();
            if (200..300).contains(&status) { Ok(()) } else { Err(format!("HTTP {status}")) }
        }
        Health::Tcp(address) => {
            let mut last = "the name has no address".to_owned();
            for socket in address.to_socket_addrs().map_err(|error| error.to_string())? {
                match TcpStream::connect_timeout(&socket, patience) {
                    Ok(_) => return Ok(()),
                    Err(error) => last = error.to_string(),
                }
            }
            Err(last)
        }
    }
}

/// Waits until the process is well; gives why not if it ends, or is not by then.
pub(super) fn await_well(process: &Identity, health: &Health, deadline: Instant) -> Result<(), String> {
    let begin = Instant::now();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = ask(health, left);
        // A service that ended may have left its port to another one.
        if !process.runs() {
            return Err("its process ended at once".to_owned());
        }
        match answer {
            Ok(()) if *health != Health::None || begin.elapsed() >= STANDS => return Ok(()),
            Err(why) if left.is_zero() => return Err(why),
            _ => thread::sleep(PAUSE),
        }
    }
}
