//! The HTTP port of a service, asked as by curl.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// Status and body of the answer to `request` (as `GET /livez`), with `headers` that each end in
/// `\r\n`.
///
/// # Panics
/// If nobody answers, or not in HTTP.
#[must_use]
pub fn http(address: &str, request: &str, headers: &str) -> (u16, String) {
    exchange(address, request, headers, "")
}

/// Status and body of the answer to a POST of `body`.
///
/// # Panics
/// If nobody answers, or not in HTTP.
#[must_use]
pub fn post(address: &str, path: &str, body: &str) -> (u16, String) {
    exchange(address, &format!("POST {path}"), &format!("Content-Length: {}\r\n", body.len()), body)
}

fn exchange(address: &str, request: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let asked = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n{body}");
    stream.write_all(asked.as_bytes()).expect("it is heard");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}
