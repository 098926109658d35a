//! A real S3 server for a test executable, on loopback, ended with it.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A server that was started by `tests/s3/server`, with one bucket in it.
pub struct ObjectServer {
    process: Child,
    port: u16,
}

/// Its bucket.
pub const BUCKET: &str = "theriac";

impl ObjectServer {
    /// Starts a server of its own.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let process = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("s3/server"))
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/s3/server starts");
        let mut server = Self { process, port };
        // The first time it is fetched.
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.process.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "tests/s3/server has ended: {ended:?}");
            assert!(begin.elapsed() < Duration::from_secs(180), "tests/s3/server does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        server.make_bucket();
        server
    }

    /// Its address, as `aws_endpoint` wants it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn make_bucket(&self) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it answers");
        let request = format!(
            "PUT /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status();
        assert!(sent.expect("kill starts").success());
    }

    /// Lets it answer nobody any more, until [`ObjectServer::go_on`].
    ///
    /// # Panics
    /// If it has ended.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it answer again.
    ///
    /// # Panics
    /// If it has ended.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
