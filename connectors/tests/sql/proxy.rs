//! A connection between the executor and the server that breaks where it hurts.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What happens to the first commits that come by, counted over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Both ends are closed before the server has it.
    Lost,
    /// The server gets it; the answer does not come through.
    Unanswered,
    /// It is held back for so long.
    Delayed(Duration),
}

/// Passes bytes on to `server`, but for the `nth` commit, from 1. Gives the port.
pub(crate) fn proxy(server: u16, nth: usize, fate: Fate) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let commits = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, commits) = (client.unwrap(), Arc::clone(&commits));
            let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || pass(from, to));
            thread::spawn(move || watch(client, server, &commits, nth, fate));
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn watch(mut client: TcpStream, mut server: TcpStream, commits: &AtomicUsize, nth: usize, fate: Fate) {
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let bytes = &buffer[..read];
        let commit = bytes.windows(6).any(|text| text == b"COMMIT");
        if commit && commits.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            match fate {
                Fate::Lost => break,
                Fate::Unanswered => {
                    // Nobody hears the answer any more, but the server reads on.
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.write_all(bytes);
                    let _ = server.shutdown(Shutdown::Write);
                    return;
                }
                Fate::Delayed(length) => thread::sleep(length),
            }
        }
        if server.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}
