//! Fetching against a server on this machine that answers as it is told.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use theriac_datasets::{
    catalogue::{Dataset, RemoteFile, find},
    fetch::{FetchError, Fetched, Progress, Settings, fetch},
};

/// One request: path and first byte that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    path: String,
    from: Option<usize>,
}

/// Serves one answer after another; the last again and again.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What to do with one request.
#[derive(Clone)]
enum Answer {
    /// The bytes, or the range of them that was asked for.
    Whole(Vec<u8>),
    /// So many bytes of them, then the connection is closed.
    Cut(Vec<u8>, usize),
    /// The bytes, whatever range was asked for.
    NoRanges(Vec<u8>),
    /// A part that begins elsewhere than was asked for.
    WrongRange(Vec<u8>),
    /// A status without a body.
    Status(u16),
}

impl Answer {
    fn bytes(&self, from: Option<usize>) -> Vec<u8> {
        let head = |status: &str, length: usize, range: &str| {
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{range}Connection: close\r\n\r\n")
                .into_bytes()
        };
        let part = |content: &[u8], start: usize, sent: usize| {
            let end = content.len();
            let range = format!("Content-Range: bytes {start}-{}/{end}\r\n", end - 1);
            let rest = &content[start..];
            [&head("206 Partial Content", rest.len(), &range)[..], &rest[..sent.min(rest.len())]].concat()
        };
        let whole = |content: &[u8], sent: usize| {
            [&head("200 OK", content.len(), "")[..], &content[..sent.min(content.len())]].concat()
        };
        match (self, from) {
            (Self::Whole(content), Some(from)) => part(content, from, usize::MAX),
            (Self::Whole(content) | Self::NoRanges(content), _) => whole(content, usize::MAX),
            (Self::Cut(content, sent), Some(from)) => part(content, from, *sent),
            (Self::Cut(content, sent), None) => whole(content, *sent),
            (Self::WrongRange(content), _) => part(content, 0, usize::MAX),
            (Self::Status(status), _) => head(&format!("{status} Told"), 0, ""),
        }
    }
}

impl Server {
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/base/", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.expect("a connection");
                let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
                let first = lines.next().expect("a request").expect("a line");
                let path = first.split(' ').nth(1).expect("a path").to_owned();
                let head = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
                let from = head.fold(None, |from, line| {
                    let line = line.to_ascii_lowercase();
                    let range = line.strip_prefix("range: bytes=").and_then(|range| range.strip_suffix('-'));
                    range.map(|range| range.parse().expect("a number")).or(from)
                });
                noted.lock().expect("no panic").push(Request { path, from });
                let answer = answers.get(number).or(answers.last()).expect("an answer");
                // Who was told to go away may have gone.
                let _ = stream.write_all(&answer.bytes(from));
            }
        });
        Self { url, requests }
    }

    fn ranges(&self) -> Vec<Option<usize>> {
        self.requests.lock().expect("no panic").iter().map(|request| request.from).collect()
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * at % 251) as u8).collect()
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn dataset(files: &[(&str, &[u8])]) -> Dataset {
    let file = |(path, content): &(&str, &[u8])| RemoteFile {
        path: (*path).to_owned(),
        source: None,
        bytes: content.len() as u64,
        sha256: sha256(content),
    };
    Dataset {
        name: "small".to_owned(),
        files: files.iter().map(file).collect(),
        ..find("nab").expect("it is there").clone()
    }
}

/// A fetch into an empty folder, with everything that it reports.
struct Run {
    server: Server,
    dataset: Dataset,
    dest: TempDir,
    settings: Settings,
    waits: Vec<Duration>,
    reasons: Vec<String>,
    resumed_at: Vec<u64>,
    bytes: Vec<u64>,
}

impl Run {
    fn new(files: &[(&str, &[u8])], answers: Vec<Answer>) -> Self {
        let server = Server::start(answers);
        let settings = Settings {
            base_url: Some(server.url.clone()),
            attempts: 3,
            backoff: Duration::from_millis(2),
            timeout: Duration::from_secs(20),
        };
        let dest = tempfile::tempdir().expect("a folder");
        let (waits, reasons, resumed_at, bytes) = Default::default();
        Self { server, dataset: dataset(files), dest, settings, waits, reasons, resumed_at, bytes }
    }

    /// One file `a.csv`.
    fn one(content: &[u8], answers: Vec<Answer>) -> Self {
        Self::new(&[("a.csv", content)], answers)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dest.path().join("small").join(name)
    }

    fn fetch(&mut self) -> Result<Fetched, FetchError> {
        self.fetch_until(|_| ControlFlow::Continue(()))
    }

    fn fetch_until(
        &mut self,
        mut stop: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Fetched, FetchError> {
        let (waits, reasons, resumed, bytes) =
            (&mut self.waits, &mut self.reasons, &mut self.resumed_at, &mut self.bytes);
        fetch(&self.dataset, self.dest.path(), &self.settings, &mut |progress| {
            match &progress {
                Progress::Start { .. } => {}
                Progress::File { resumed_at, .. } => resumed.push(*resumed_at),
                Progress::Bytes { done, total } => {
                    assert!(done <= total);
                    bytes.push(*done);
                }
                Progress::Retry { reason, wait, .. } => {
                    waits.push(*wait);
                    reasons.push((*reason).to_owned());
                }
            }
            stop(&progress)
        })
    }

    /// The files below the folder, sorted.
    fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("")) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        names
    }

    fn assert_holds(&self, name: &str, content: &[u8]) {
        assert!(fs::read(self.path(name)).expect("it is there") == content, "{name}");
    }
}

#[test]
fn everything_is_fetched_once() {
    let (small, large) = (content(3), content(300_000));
    let mut run = Run::new(
        &[("small.csv", &small), ("below/large.csv", &large)],
        vec![Answer::Whole(small.clone()), Answer::Whole(large.clone())],
    );
    run.dataset.files[1].source = Some("elsewhere/huge.csv".to_owned());
    let fetched = run.fetch().expect("it is served");
    assert_eq!(fetched, Fetched { dir: run.path(""), fetched: 2, already_here: 0 });
    run.assert_holds("small.csv", &small);
    run.assert_holds("below/large.csv", &large);
    let paths: Vec<String> =
        run.server.requests.lock().expect("no panic").iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/base/small.csv", "/base/elsewhere/huge.csv"]);
    assert!(run.bytes.is_sorted());
    assert_eq!(run.bytes.last(), Some(&300_003));
    // Again: nothing is asked for.
    let fetched = run.fetch().expect("it is here");
    assert_eq!((fetched.fetched, fetched.already_here), (0, 2));
    assert_eq!(run.server.ranges().len(), 2);
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let content = content(200_000);
    let mut run = Run::one(
        &content,
        vec![
            Answer::Cut(content.clone(), 90_000),
            Answer::Cut(content.clone(), 60_000),
            Answer::Whole(content.clone()),
        ],
    );
    let path = run.path("a.csv");
    run.fetch_until(|_| {
        let whole = fs::metadata(&path).map_or(200_000, |meta| meta.len());
        assert_eq!(whole, 200_000, "under its name lies all of it or nothing");
        ControlFlow::Continue(())
    })
    .expect("the rest came");
    run.assert_holds("a.csv", &content);
    assert_eq!(run.server.ranges(), [None, Some(90_000), Some(150_000)]);
    assert_eq!(run.resumed_at, [0, 90_000, 150_000]);
    assert_eq!(run.files(), ["a.csv"], "no part is left");
    // Each attempt brought something, so the wait did not grow.
    assert_eq!(run.waits, [run.settings.backoff; 2]);
}

#[test]
fn without_ranges_it_begins_anew() {
    let content = content(200_000);
    let mut run =
        Run::one(&content, vec![Answer::Cut(content.clone(), 90_000), Answer::NoRanges(content.clone())]);
    run.fetch().expect("the whole came");
    run.assert_holds("a.csv", &content);
    assert_eq!(run.server.ranges(), [None, Some(90_000)]);
}

#[test]
fn a_range_that_was_not_asked_for_is_not_appended() {
    let content = content(200_000);
    for answer in [Answer::WrongRange(content.clone()), Answer::Status(416)] {
        let answers = vec![Answer::Cut(content.clone(), 90_000), answer, Answer::Whole(content.clone())];
        let mut run = Run::one(&content, answers);
        run.fetch().expect("the whole came");
        run.assert_holds("a.csv", &content);
        assert_eq!(run.server.ranges(), [None, Some(90_000), None]);
        assert_eq!(run.reasons.last().map(String::as_str), Some("the server cannot go on from here"));
    }
}

#[test]
fn other_bytes_are_refused_with_both_sums() {
    let content = content(1000);
    let mut other = content.clone();
    other[500] ^= 1;
    let mut run = Run::one(&content, vec![Answer::Whole(other.clone())]);
    let error = run.fetch().expect_err("a bit is wrong");
    assert!(matches!(&error, FetchError::Checksum { expected_bytes: 1000, found_bytes: 1000, .. }));
    let text = error.to_string();
    for part in [format!("{}a.csv", run.server.url), sha256(&content), sha256(&other)] {
        assert!(text.contains(&part), "{text}");
    }
    assert_eq!(run.files(), [""; 0], "nothing was kept");
    assert_eq!(run.server.ranges(), [None], "the same again would come");
}

#[test]
fn more_bytes_are_not_read_to_the_end() {
    let content = content(1000);
    let mut run = Run::one(&content, vec![Answer::Whole([&content[..], &content[..]].concat())]);
    let error = run.fetch().expect_err("there are more");
    assert!(matches!(&error, FetchError::Checksum { found_bytes: 1001.., .. }), "{error}");
    assert_eq!(run.files(), [""; 0]);
}

#[test]
fn fewer_bytes_are_asked_for_again_and_then_given_up() {
    let content = content(1000);
    let mut run = Run::one(&content, vec![Answer::NoRanges(content[..400].to_vec())]);
    let error = run.fetch().expect_err("the rest never comes");
    assert!(matches!(&error, FetchError::GivenUp { attempts: 3, .. }), "{error}");
    assert!(error.to_string().contains("the body ended after 400 of 1000 bytes"), "{error}");
    assert!(!run.path("a.csv").exists());
}

#[test]
fn a_missing_file_is_not_asked_for_twice() {
    let mut run = Run::one(&content(1000), vec![Answer::Status(404)]);
    let error = run.fetch().expect_err("it is not there");
    assert!(matches!(&error, FetchError::Refused { status: 404, .. }), "{error}");
    let expected =
        format!("{}a.csv: the server answers 404; if the source has moved, name a mirror", run.server.url);
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(run.server.ranges().len(), 1);
    assert_eq!(run.files(), [""; 0]);
}

#[test]
fn a_busy_server_is_asked_again_after_longer_and_longer_waits() {
    let content = content(1000);
    let answers = vec![Answer::Status(503), Answer::Status(429), Answer::Whole(content.clone())];
    let mut run = Run::one(&content, answers);
    run.fetch().expect("the third answer is good");
    run.assert_holds("a.csv", &content);
    assert_eq!(run.waits, [run.settings.backoff, run.settings.backoff * 2]);
    assert_eq!(run.reasons, ["the server answers 503", "the server answers 429"]);

    let mut run = Run::one(&content, vec![Answer::Status(500)]);
    let error = run.fetch().expect_err("it never is");
    assert!(
        matches!(&error, FetchError::GivenUp { attempts: 3, reason, .. } if reason.ends_with("500")),
        "{error}"
    );
    assert_eq!(run.server.ranges().len(), 3);
}

#[test]
fn nothing_happens_before_the_licence_is_accepted() {
    let content = content(1000);
    let mut run = Run::one(&content, vec![Answer::Whole(content.clone())]);
    let url = run.server.url.clone();
    let error = run
        .fetch_until(|progress| {
            let Progress::Start { dataset, base_url } = progress else { panic!("{progress:?} came first") };
            assert_eq!((dataset.licence.as_str(), *base_url), ("MIT", url.as_str()));
            ControlFlow::Break(())
        })
        .expect_err("it was refused");
    assert!(matches!(error, FetchError::BrokenOff));
    assert_eq!(run.server.ranges(), []);
    assert_eq!(fs::read_dir(run.dest.path()).expect("a folder").count(), 0);
}

#[test]
fn broken_off_it_goes_on_in_the_next_run() {
    let content = content(300_000);
    let mut run = Run::one(&content, vec![Answer::Whole(content.clone())]);
    let error = run
        .fetch_until(|progress| match progress {
            Progress::Bytes { done: 100_000.., .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .expect_err("it was broken off");
    assert!(matches!(error, FetchError::BrokenOff));
    assert_eq!(run.files(), ["a.csv.part"]);
    let have = fs::metadata(run.path("a.csv.part")).expect("it is there").len();
    assert!((100_000..300_000).contains(&have), "{have}");
    run.fetch().expect("the rest came");
    run.assert_holds("a.csv", &content);
    assert_eq!(run.server.ranges(), [None, Some(have as usize)]);
    assert_eq!(run.resumed_at, [0, have]);
}

#[test]
fn a_part_of_something_else_is_thrown_away() {
    let content = content(1000);
    for stale in [vec![7; 400], vec![7; 1000], vec![7; 2000]] {
        let mut run = Run::one(&content, vec![Answer::Whole(content.clone())]);
        put(&run.path("a.csv.part"), &stale);
        run.fetch().expect("the whole came");
        run.assert_holds("a.csv", &content);
        assert_eq!(run.server.ranges().last(), Some(&None), "{} bytes", stale.len());
        assert!(run.resumed_at.iter().all(|at| *at <= 1000), "{:?}", run.resumed_at);
        assert_eq!(run.files(), ["a.csv"]);
    }
}

#[test]
fn a_file_that_was_changed_here_is_fetched_again() {
    let content = content(1000);
    for changed in [vec![7; 1000], vec![7; 10]] {
        let mut run = Run::one(&content, vec![Answer::Whole(content.clone())]);
        put(&run.path("a.csv"), &changed);
        assert_eq!(run.fetch().expect("it came").fetched, 1);
        run.assert_holds("a.csv", &content);
    }
}

#[test]
fn nobody_there_is_given_up_and_a_data_set_without_files_is_for_the_hand() {
    let mut run = Run::one(&content(10), vec![Answer::Status(404)]);
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    run.settings.base_url = Some(format!("http://{free}"));
    let error = run.fetch().expect_err("nobody answers");
    assert!(matches!(&error, FetchError::GivenUp { attempts: 3, .. }), "{error}");
    run.dataset = find("nezha-trainticket-dev").expect("it is there").clone();
    let error = run.fetch().expect_err("it has no files");
    let expected = format!("`{}` cannot be fetched: {}", run.dataset.name, run.dataset.note);
    assert!(error.to_string().starts_with(&expected), "{error}");
}

fn put(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder above")).expect("it can be made");
    fs::write(path, content).expect("it can be written");
}
