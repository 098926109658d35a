//! Webhooks against a server on loopback.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command as Program, Stdio},
    thread,
    time::{Duration, Instant},
};

use theriac_connectors::{
    executor::{Webhook, WebhookSettings},
    secret::Secret,
};
use theriac_contract::{Command, Executor, Interval, Verdict};

use crate::{clock, command};

const SECRET: &str = "a secret of the test";

/// Serves one request with these bytes and gives what was asked.
fn serve(answer: &'static [u8], pause: Duration) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}/act", listener.local_addr().expect("an address"));
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let request = read_request(&mut stream);
        thread::sleep(pause);
        let _ = stream.write_all(answer);
        request
    });
    (url, server)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).expect("bytes");
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        assert!(read > 0, "the request breaks off");
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn webhook(url: &str, send_dry_runs: bool) -> Webhook {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
    let settings = WebhookSettings {
        url: url.to_owned(),
        secret: Secret::File(file),
        timeout_max: Interval::from_seconds(60),
        answer_bytes_max: 1024,
        send_dry_runs,
    };
    Webhook::new("hooks", settings, clock()).expect("good settings")
}

fn ask(answer: &'static [u8]) -> (Verdict, String) {
    let (url, server) = serve(answer, Duration::ZERO);
    let said = webhook(&url, false).execute(&command("restart", "cart", Interval::from_seconds(10)));
    server.join().expect("served");
    said
}

#[test]
fn the_request_is_signed_so_that_python_agrees() {
    let (url, server) = serve(b"HTTP/1.1 204 No Content\r\n\r\n", Duration::ZERO);
    let sent = command("restart", "cart/cart-2", Interval::from_seconds(10));
    let (verdict, detail) = webhook(&url, false).execute(&sent);
    assert_eq!((verdict, detail.as_str()), (Verdict::Succeeded, "HTTP 204"));
    let request = server.join().expect("served");
    let (head, body) = request.split_once("\r\n\r\n").expect("head and body");
    assert!(head.starts_with("POST /act HTTP/1.1"));
    assert_eq!(serde_json::from_str::<Command>(body).expect("a command"), sent);
    assert_eq!(header(head, "idempotency-key"), Some(sent.idempotency_key.as_str()));
    assert_eq!(header(head, "theriac-fencing-token"), Some("7"));

    let script = "import hmac,sys; print(hmac.new(sys.argv[1].encode(), b'1700000000.' + sys.stdin.buffer.read(), 'sha256').hexdigest())";
    let mut python = Program::new("python3")
        .args(["-c", script, SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 computes the signature independently");
    python.stdin.take().expect("a pipe").write_all(body.as_bytes()).expect("written");
    let output = python.wait_with_output().expect("output");
    let expected = format!("t=1700000000,v1={}", String::from_utf8_lossy(&output.stdout).trim());
    assert_eq!(header(head, "theriac-signature"), Some(expected.as_str()));
}

#[test]
fn answers_are_judged_by_status_and_body() {
    let retry = Verdict::Failed { retryable: true };
    let last = Verdict::Failed { retryable: false };
    let cases: [(&'static [u8], Verdict, &str); 10] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone", Verdict::Succeeded, "HTTP 200: done"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 55\r\n\r\n{\"verdict\":\"failed\",\"retryable\":true,\"detail\":\"later\" } ",
            retry.clone(),
            "later",
        ),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 21\r\n\r\n{\"verdict\":\"unknown\"}", Verdict::Unknown, "HTTP 202"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"verdict\":\"maybe\"}", Verdict::Unknown, "cannot be read"),
        (b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", last.clone(), "fenced"),
        (b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n", last.clone(), "fenced"),
        (b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", retry.clone(), "HTTP 429"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", retry, "HTTP 503"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", last.clone(), "HTTP 401"),
        (b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", last, "HTTP 302"),
    ];
    for (answer, verdict, words) in cases {
        let (said, detail) = ask(answer);
        assert_eq!(said, verdict, "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
}

#[test]
fn a_broken_answer_leaves_it_unknown() {
    for answer in
        [&b""[..], b"HTTP/1.1 20", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"]
    {
        let (verdict, detail) = ask(answer);
        assert_eq!(verdict, Verdict::Unknown, "{:?}: {detail}", String::from_utf8_lossy(answer));
    }
}

#[test]
fn a_slow_server_is_given_up_in_time() {
    let (url, server) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Duration::from_secs(3));
    let began = Instant::now();
    let (verdict, detail) =
        webhook(&url, false).execute(&command("restart", "cart", Interval::from_millis(300)));
    assert_eq!(verdict, Verdict::TimedOut, "{detail}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    server.join().expect("served");
}

#[test]
fn nothing_was_done_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}/act", listener.local_addr().expect("an address"));
    drop(listener);
    let (verdict, detail) =
        webhook(&url, false).execute(&command("restart", "cart", Interval::from_seconds(5)));
    assert_eq!(verdict, Verdict::Failed { retryable: true }, "{detail}");
}

#[test]
fn a_dry_run_is_not_sent_unless_the_receiver_heeds_it() {
    let mut dry = command("restart", "cart", Interval::from_seconds(5));
    dry.dry_run = true;
    let (verdict, detail) = webhook("http://127.0.0.1:1/none", false).execute(&dry);
    assert_eq!(verdict, Verdict::Succeeded);
    assert!(detail.starts_with("would restart cart"), "{detail}");
    let (url, server) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Duration::ZERO);
    webhook(&url, true).execute(&dry);
    assert!(server.join().expect("served").contains(r#""dry_run":true"#));
}

#[test]
fn the_secret_is_never_in_an_error() {
    let settings = |secret| WebhookSettings {
        url: "ftp://nowhere".to_owned(),
        secret,
        timeout_max: Interval::from_seconds(1),
        answer_bytes_max: 1,
        send_dry_runs: false,
    };
    let error =
        |settings| Webhook::new("hooks", settings, clock()).err().map(|e| e.to_string()).unwrap_or_default();
    let text = error(settings(Secret::Environment("PATH".to_owned())));
    assert!(text.contains("https://") && !text.contains("/usr"), "{text}");
    let unset = WebhookSettings {
        url: "http://x".to_owned(),
        ..settings(Secret::Environment("NO_SUCH_VARIABLE".to_owned()))
    };
    assert!(error(unset).contains("set the environment variable NO_SUCH_VARIABLE"));
}
