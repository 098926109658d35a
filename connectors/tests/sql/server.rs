//! A PostgreSQL for this test executable, and a database in it for each test.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use postgres::{Client, Config, NoTls};
use serde_json::{Value, json};
use theriac_connectors::executor::SqlExecutor;

/// A database of its own, with a table of jobs.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) port: u16,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/postgres/server")
}

/// Port of the server, which ends with this process.
fn server() -> u16 {
    static SERVER: OnceLock<(Child, u16)> = OnceLock::new();
    SERVER.get_or_init(start).1
}

fn start() -> (Child, u16) {
    let folder = tempfile::tempdir().unwrap().keep();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut process = Process::new(script())
        .arg(&folder)
        .args([port.to_string(), std::process::id().to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("tests/postgres/server starts");
    let begin = Instant::now();
    // The first time it is fetched.
    while !folder.join("pid").exists() {
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "tests/postgres/server has ended, see above: {ended:?}");
        assert!(begin.elapsed() < Duration::from_secs(300), "tests/postgres/server does not get ready");
        thread::sleep(Duration::from_millis(50));
    }
    (process, port)
}

impl Database {
    /// A fresh one.
    pub(crate) fn fresh() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (port, name) = (server(), format!("t{}", NUMBER.fetch_add(1, Ordering::SeqCst)));
        let made = Self { name, port };
        let mut first = Self { name: "theriac".to_owned(), port }.client();
        first.batch_execute(&format!("CREATE DATABASE {}", made.name)).unwrap();
        let tables = "CREATE TABLE jobs (name text PRIMARY KEY, state text NOT NULL, generation int NOT NULL DEFAULT 1);
            INSERT INTO jobs SELECT 'job-' || n, 'running' FROM generate_series(1, 5) n;
            CREATE TABLE hits (key text NOT NULL)";
        made.client().batch_execute(tables).unwrap();
        made
    }

    pub(crate) fn client(&self) -> Client {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("theriac").password("theriac").dbname(&self.name);
        config.connect(NoTls).unwrap()
    }

    /// Settings of an executor; `port` may be that of a proxy.
    pub(crate) fn settings(&self, port: u16, actions: &Value) -> Value {
        let password = std::env::temp_dir().join("theriac-test-password");
        std::fs::write(&password, "theriac\n").unwrap();
        json!({
            "host": "127.0.0.1", "port": port, "database": self.name, "user": "theriac", "tls": "off",
            "password": { "file": password }, "actions": actions,
        })
    }

    pub(crate) fn executor(&self, actions: &Value) -> SqlExecutor {
        self.executor_by(self.port, actions)
    }

    pub(crate) fn executor_by(&self, port: u16, actions: &Value) -> SqlExecutor {
        let settings = serde_json::from_value(self.settings(port, actions)).expect("good settings");
        SqlExecutor::new("orders", settings).expect("good settings")
    }

    /// What one column of one row holds, as a text.
    pub(crate) fn ask(&self, query: &str) -> String {
        let row = self.client().query_one(&format!("SELECT (x)::text FROM ({query}) AS it(x)"), &[]).unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".to_owned())
    }

    pub(crate) fn state(&self, job: &str) -> String {
        self.ask(&format!("SELECT state FROM jobs WHERE name = '{job}'"))
    }

    /// Rows of the ledger in this state.
    pub(crate) fn noted(&self, state: &str) -> String {
        self.ask(&format!("SELECT count(*) FROM theriac.effects WHERE state = '{state}'"))
    }
}
