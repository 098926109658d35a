//! Customers: twenty requests a second, and a ledger of what they met with.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::json;

/// Requests of each of the two instances of `web` a second.
pub(crate) const RATE: u32 = 10;

/// How long a customer waits.
const PATIENCE: Duration = Duration::from_millis(400);

/// When each request began, and whether it was answered well.
type Ledger = Arc<Mutex<Vec<(Instant, bool)>>>;

pub(crate) struct Load {
    ledger: Ledger,
    ended: Arc<AtomicBool>,
    customers: Option<JoinHandle<()>>,
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the telemetry of a service that really runs")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// What an instance of `web` tells of a second.
pub(crate) fn told(time: u64, instance: u32, requests: u32, errors: u32) -> String {
    let point = |name: &str, value: u32| {
        let instance = format!("web-{instance}");
        json!({ "time": time, "service": "web", "instance": instance, "name": name, "value": value })
            .to_string()
            + "\n"
    };
    point("http.client.requests", requests)
        + &point("http.client.errors", errors)
        + &point("process.memory.usage", 10_000_000)
}

fn answered(address: SocketAddr) -> Option<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET /buy HTTP/1.0\r\n\r\n").ok()?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).ok()?;
    Some(status.ends_with(b" 200"))
}

impl Load {
    /// Begins at once; tells of each second at the end of the file.
    pub(crate) fn on(address: SocketAddr, telemetry: &Path) -> Self {
        let (ledger, ended) = (Ledger::default(), Arc::new(AtomicBool::new(false)));
        let mut file = File::options().append(true).open(telemetry).unwrap();
        let (entries, end) = (Arc::clone(&ledger), Arc::clone(&ended));
        let customers = thread::spawn(move || {
            while !end.load(Ordering::SeqCst) {
                let second = Instant::now();
                let requests: Vec<JoinHandle<bool>> = (0..2 * RATE)
                    .map(|n| {
                        thread::sleep(
                            (second + n * Duration::from_secs(1) / (2 * RATE))
                                .saturating_duration_since(Instant::now()),
                        );
                        let ledger = Arc::clone(&entries);
                        thread::spawn(move || {
                            let begin = Instant::now();
                            let well = answered(address).unwrap_or(false);
                            ledger.lock().unwrap().push((begin, well));
                            well
                        })
                    })
                    .collect();
                thread::sleep((second + Duration::from_secs(1)).saturating_duration_since(Instant::now()));
                // Those of its end are told with it, though they may be waiting still.
                let mut errors = [0; 2];
                for (n, request) in requests.into_iter().enumerate() {
                    errors[n % 2] += u32::from(!request.join().unwrap());
                }
                let (time, text) = (now(), told);
                file.write_all((text(time, 1, RATE, errors[0]) + &text(time, 2, RATE, errors[1])).as_bytes())
                    .unwrap();
            }
        });
        Self { ledger, ended, customers: Some(customers) }
    }

    /// Requests that failed of those that began since.
    pub(crate) fn failed_since(&self, since: Instant) -> usize {
        self.ledger.lock().unwrap().iter().filter(|(begin, well)| *begin >= since && !well).count()
    }

    /// Requests that were answered well since, after the last that was not.
    pub(crate) fn good_in_a_row_since(&self, since: Instant) -> usize {
        let ledger = self.ledger.lock().unwrap();
        ledger.iter().rev().take_while(|(begin, well)| *begin >= since && *well).count()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(customers) = self.customers.take() {
            let _ = customers.join();
        }
    }
}
