//! `theriac dlq`: what could not be read, and sending it back once that has been mended.

use std::{
    fs,
    io::{Write, stdout},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use theriac_connectors::kafka;
use theriac_contract::{
    Record, Reject, StoredRecord, Topic, Topics,
    seeded::{self, Bug},
};
use theriac_engine::records::{REDRIVEN, rejected};

use crate::{
    command::tap::Merged,
    output::{Format, Wrong, note, say},
    store::{Place, Store},
};

/// Arguments of `theriac dlq`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Verb {
    /// One line for each dead letter
    List(List),
    /// Print one dead letter with all of its headers and bytes
    Show(Show),
    /// Send dead letters back to where they came from, with their own key and headers. They stay
    /// on the topic, and a second call sends them once more
    Redrive(Redrive),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    store: Store,
    /// text, or json for one object a line
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
struct Show {
    /// Offset as `list` prints it: shard/offset, or the offset alone where there is one shard
    place: Offset,
    #[command(flatten)]
    store: Store,
    /// text, or json for one object
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
struct Redrive {
    /// Offsets as `list` prints them
    places: Vec<Offset>,
    /// All of them
    #[arg(long, conflicts_with = "places")]
    all: bool,
    /// Those whose reason contains this
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["places", "all"])]
    reason: Option<String>,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Write the bytes to a new file instead, a line each; `-` and, as a file that was read cannot
    /// be written to, a folder's default is standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    store: Store,
}

/// Where a dead letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    /// Left out where there is only one.
    shard: Option<u32>,
    offset: u64,
}

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("`{text}` is no offset; write it as `theriac dlq list` does, shard/offset");
        let (shard, offset) = text.split_once('/').map_or((None, text), |(s, o)| (Some(s), o));
        let shard = shard.map(|shard| shard.parse().map_err(|_| fail())).transpose()?;
        Ok(Self { shard, offset: offset.parse().map_err(|_| fail())? })
    }
}

/// A dead letter with its place.
struct Letter {
    shard: u32,
    offset: u64,
    record: Record,
    reject: Reject,
}

impl Letter {
    fn of(shard: u32, StoredRecord { offset, record }: StoredRecord) -> Result<Self> {
        let reject = rejected(&record).with_context(|| {
            format!("{shard}/{offset} is no dead letter: something else writes to this topic")
        })?;
        Ok(Self { shard, offset, record, reject })
    }

    /// How often it was sent again before.
    fn redriven(&self) -> u32 {
        let count = self.reject.headers.iter().rev().find(|(name, _)| name == REDRIVEN);
        count.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
    }

    /// The record as it was, one time more often sent.
    #[cfg(feature = "kafka")]
    fn again(&self) -> Record {
        let mut headers = self.reject.headers.clone();
        headers.retain(|(name, _)| name != REDRIVEN);
        headers.push((REDRIVEN.to_owned(), (self.redriven() + 1).to_string().into_bytes()));
        Record {
            timestamp: self.record.timestamp,
            key: self.reject.key.clone(),
            headers,
            value: self.reject.bytes.clone(),
        }
    }

    fn place(&self) -> String {
        format!("{}/{}", self.shard, self.offset)
    }

    fn line(&self) -> String {
        let Reject { origin, offset, line, reason, part, bytes, .. } = &self.reject;
        let line = line.map_or_else(String::new, |line| format!(" line {line}"));
        let part = part.as_ref().map_or_else(String::new, |part| format!(" (a part: {part})"));
        let (place, at, bytes) = (self.place(), self.record.timestamp, bytes.len());
        one_line(&format!("{place:<6}  {at}  {origin} at {offset}{line}  {bytes} bytes  {reason}{part}"))
    }

    fn json(&self) -> Value {
        json!({
            "shard": self.shard,
            "offset": self.offset,
            "at": self.record.timestamp,
            "origin": self.reject.origin,
            "input_offset": self.reject.offset,
            "line": self.reject.line,
            "part": self.reject.part,
            "bytes": self.reject.bytes.len(),
            "redriven": self.redriven(),
            "reason": self.reject.reason,
        })
    }
}

/// What came in from elsewhere must not move the cursor of a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Bytes that are text; none if they would do a terminal harm.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))).then_some(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |text, byte| text + &format!("{byte:02x}"))
}

fn text_or_hex(bytes: &[u8]) -> String {
    text(bytes).map_or_else(|| format!("0x{}", hex(bytes)), str::to_owned)
}

/// Calls for each dead letter, in the order of event time, those of one shard in their order.
fn each(topics: &dyn Topics, mut call: impl FnMut(Letter) -> Result<()>) -> Result<()> {
    let mut merged = Merged::new(topics, Topic::DeadLetters, 0);
    while let Some((shard, stored)) = merged.next(topics)? {
        call(Letter::of(shard, stored)?)?;
    }
    Ok(())
}

/// The dead letter at a place.
fn letter(topics: &dyn Topics, place: Offset) -> Result<Letter> {
    let shards = topics.partitions(Topic::DeadLetters);
    let shard = match place.shard {
        Some(shard) if shard < shards => shard,
        None if shards == 1 => 0,
        Some(shard) => return Err(Wrong(format!("there is no shard {shard}: there are {shards}")).into()),
        None => {
            let offset = place.offset;
            let text = format!("there are {shards} shards: say which, as 0/{offset}");
            return Err(Wrong(text).into());
        }
    };
    let (start, end) = (topics.start(Topic::DeadLetters, shard), topics.end(Topic::DeadLetters, shard));
    let read = if (start..end).contains(&place.offset) {
        topics.read(Topic::DeadLetters, shard, place.offset, 1)?
    } else {
        Vec::new()
    };
    let stored = read.into_iter().next().ok_or_else(|| {
        let held = if start == end { "none".to_owned() } else { format!("{start} to {}", end - 1) };
        Wrong(format!("there is no dead letter {shard}/{}: the shard has {held}", place.offset))
    })?;
    Letter::of(shard, stored)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.verb {
        Verb::List(arguments) => list(arguments),
        Verb::Show(arguments) => show(arguments),
        Verb::Redrive(arguments) => redrive(arguments),
    }
}

fn list(arguments: &List) -> Result<()> {
    let topics = arguments.store.locate()?.open(&[Topic::DeadLetters])?;
    each(topics.as_ref(), |letter| {
        match arguments.output {
            Format::Text => say!("{}", letter.line()),
            Format::Json => say!("{}", letter.json()),
        }
        Ok(())
    })
}

fn show(arguments: &Show) -> Result<()> {
    let topics = arguments.store.locate()?.open(&[Topic::DeadLetters])?;
    let letter = letter(topics.as_ref(), arguments.place)?;
    let (bytes, headers) = (&letter.reject.bytes, &letter.record.headers);
    if arguments.output == Format::Json {
        let mut all = letter.json();
        all["key"] = text_or_hex(&letter.reject.key).into();
        all["headers"] = headers.iter().map(|(name, value)| json!([name, text_or_hex(value)])).collect();
        match text(bytes) {
            Some(text) => all["text"] = text.into(),
            None => all["hex"] = hex(bytes).into(),
        }
        say!("{all}");
        return Ok(());
    }
    say!("{}", letter.line());
    say!("key: {}", one_line(&text_or_hex(&letter.reject.key)));
    for (name, value) in headers {
        say!("{}", one_line(&format!("{name}: {}", text_or_hex(value))));
    }
    say!("");
    match text(bytes) {
        Some(text) => say!("{text}"),
        None => bytes.chunks(32).for_each(|row| say!("{}", hex(row))),
    }
    Ok(())
}

/// The partition of a topic that a record came from, as `topic/partition`.
fn address(origin: &str) -> Option<(String, i32)> {
    let (topic, partition) = origin.rsplit_once('/')?;
    Some((topic.to_owned(), partition.parse().ok()?))
}

/// Why a dead letter cannot be sent as it is.
fn refusal(letter: &Letter, to_kafka: bool) -> Option<String> {
    let place = letter.place();
    if let Some(part) = &letter.reject.part {
        return Some(format!(
            "{place} is a part of what was sent only ({part}), and the rest was read, or is lost: mend the record and send it from where it came from; `theriac dlq show {place}` prints it"
        ));
    }
    let origin = &letter.reject.origin;
    (to_kafka && address(origin).is_none()).then(|| {
        format!("{place} came from {origin}, which is no partition of a topic: write it to a file, with --to")
    })
}

fn redrive(arguments: &Redrive) -> Result<()> {
    if arguments.places.is_empty() && !arguments.all && arguments.reason.is_none() {
        let text = "say which: offsets as `theriac dlq list` prints them, --reason TEXT, or --all";
        return Err(Wrong(text.to_owned()).into());
    }
    let place = arguments.store.locate()?;
    let topics = place.open(&[Topic::DeadLetters])?;
    let to_kafka = match &place {
        Place::Kafka(settings) if arguments.to.is_none() => Some(settings.as_ref()),
        Place::Kafka(_) | Place::Folder(_) => None,
    };
    let mut letters = Vec::new();
    if arguments.places.is_empty() {
        let wanted = arguments.reason.as_deref().unwrap_or_default();
        each(topics.as_ref(), |letter| {
            if letter.reject.reason.contains(wanted) {
                letters.push(letter);
            }
            Ok(())
        })?;
    } else {
        for place in &arguments.places {
            letters.push(letter(topics.as_ref(), *place)?);
        }
    }
    let refusals: Vec<Option<String>> =
        letters.iter().map(|letter| refusal(letter, to_kafka.is_some())).collect();
    let refused: Vec<&str> = refusals.iter().flatten().map(String::as_str).collect();
    if !arguments.places.is_empty() && !refused.is_empty() {
        // What was asked for by name is done as a whole, or not at all.
        return Err(Wrong(format!("nothing was sent: {}", refused.join("\n"))).into());
    }
    for reason in &refused {
        note!("left out: {reason}");
    }
    let sound: Vec<&Letter> = letters
        .iter()
        .zip(&refusals)
        .filter(|(_, refusal)| refusal.is_none())
        .map(|(letter, _)| letter)
        .collect();
    let sound = if seeded::on(Bug::RedrivenTwice) { [&sound[..], &sound[..]].concat() } else { sound };
    let told = Told { letters: &sound, left_out: refused.len(), dry_run: arguments.dry_run };
    match to_kafka {
        Some(settings) => {
            if !arguments.dry_run && !sound.is_empty() {
                send(settings, &sound)?;
            }
            say!("{}", told.account("to"));
        }
        None => {
            if !arguments.dry_run {
                write(&sound, arguments.to.as_deref())?;
            }
            // Standard output may be where the bytes went.
            note!("{}", told.account("from"));
        }
    }
    Ok(())
}

/// What was sent, or would be.
struct Told<'a> {
    letters: &'a [&'a Letter],
    left_out: usize,
    dry_run: bool,
}

impl Told<'_> {
    fn account(&self, way: &str) -> String {
        let mut text: String = self
            .letters
            .iter()
            .map(|letter| {
                let Reject { origin, bytes, .. } = &letter.reject;
                let times = letter.redriven() + 1;
                one_line(&format!(
                    "{}  {} bytes {way} {origin}, redriven {times}",
                    letter.place(),
                    bytes.len()
                )) + "\n"
            })
            .collect();
        let what = if self.dry_run { "would be sent" } else { "sent" };
        text += &format!("{} {what}, {} left out", self.letters.len(), self.left_out);
        text
    }
}

/// Writes bytes as lines, to a new file or to standard output.
fn write(letters: &[&Letter], to: Option<&Path>) -> Result<()> {
    let mut out: Box<dyn Write> = match to {
        Some(path) if path != Path::new("-") => {
            let created = fs::File::create_new(path);
            Box::new(created.with_context(|| format!("{} cannot be made: name a new file", path.display()))?)
        }
        _ => Box::new(stdout().lock()),
    };
    for letter in letters {
        let bytes = &letter.reject.bytes;
        out.write_all(bytes)?;
        if !bytes.ends_with(b"\n") {
            out.write_all(b"\n")?;
        }
    }
    Ok(out.flush()?)
}

#[cfg(feature = "kafka")]
fn send(settings: &kafka::Settings, letters: &[&Letter]) -> Result<()> {
    let addressed = letters.iter().filter_map(|letter| {
        let (topic, partition) = address(&letter.reject.origin)?;
        Some(kafka::Addressed { topic, partition, record: letter.again() })
    });
    Ok(kafka::send(settings, &addressed.collect::<Vec<_>>())?)
}

#[cfg(not(feature = "kafka"))]
fn send(_: &kafka::Settings, _: &[&Letter]) -> Result<()> {
    Err(crate::store::without_kafka())
}
