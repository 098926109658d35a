//! CSV records as table rows.

use std::borrow::Cow;

use super::{
    framing::{Frame, Framing, next},
    settings::FileSettings,
};
use crate::decode::{
    Rows,
    columns::{Cell, ColumnFacts, Layout, TableRow, is_missing},
    time,
};

/// Splits records into cells.
struct Splitter {
    delimiter: u8,
    reader: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    /// The record had no quotes: its text was copied as it stands, separators and all.
    plain: bool,
}

impl Splitter {
    fn new(delimiter: u8) -> Self {
        let mut builder = csv_core::ReaderBuilder::new();
        let reader = builder.delimiter(delimiter).terminator(csv_core::Terminator::Any(b'\n')).build();
        Self { delimiter, reader, text: Vec::new(), ends: Vec::new(), plain: true }
    }

    /// Splits `record` into [`Self::cells`].
    fn split(&mut self, record: &str) {
        self.ends.clear();
        self.text.clear();
        self.plain = memchr::memchr(b'"', record.as_bytes()).is_none();
        if self.plain {
            self.text.extend_from_slice(record.as_bytes());
            for at in memchr::memchr_iter(self.delimiter, record.as_bytes()) {
                self.ends.push(at);
            }
            self.ends.push(record.len());
            return;
        }
        self.reader.reset();
        self.text.resize(record.len() + 1, 0);
        self.ends.resize(record.len() + 2, 0);
        let (_, _, wrote, mut cells) =
            self.reader.read_record(record.as_bytes(), &mut self.text, &mut self.ends);
        let mut written = wrote;
        // The end of input closes the last cell.
        let (_, _, wrote, more) =
            self.reader.read_record(&[], &mut self.text[written..], &mut self.ends[cells..]);
        written += wrote;
        cells += more;
        self.text.truncate(written);
        self.ends.truncate(cells);
    }

    /// The cells of the record that was split last.
    fn cells(&self) -> Vec<&str> {
        let text = std::str::from_utf8(&self.text).unwrap_or_default();
        let separator = usize::from(self.plain);
        let mut start = 0;
        let cell = |end: &usize| {
            let cell = text.get(start..*end).unwrap_or_default();
            start = end + separator;
            cell
        };
        self.ends.iter().map(cell).collect()
    }
}

/// Cells of one record.
struct Record<'a> {
    cells: &'a [&'a str],
    line: &'a str,
}

impl TableRow for Record<'_> {
    fn cell(&self, column: usize) -> Cell<'_> {
        match self.cells.get(column) {
            Some(text) if !is_missing(text) => Cell::Text(Cow::Borrowed(text)),
            _ => Cell::Missing,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.line.as_bytes().to_vec()
    }
}

/// A CSV whose columns are known.
pub(super) struct Table {
    splitter: Splitter,
    layout: Layout,
    /// The header's bytes, which are no data.
    pub(super) header_bytes: usize,
}

impl Table {
    /// Learns the columns from the front of a file; `ended` if that is all of it.
    /// `Ok(None)` if there is no complete data row yet.
    pub(super) fn learn(
        sample: &[u8],
        ended: bool,
        delimiter: u8,
        settings: &FileSettings,
    ) -> Result<Option<Self>, String> {
        let framing = Framing::Csv { delimiter };
        let mut splitter = Splitter::new(delimiter);
        let mut records: Vec<Vec<String>> = Vec::new();
        let (mut at, mut header_bytes) = (0, 0);
        while at < sample.len() {
            let (content, step) = match next(framing, &sample[at..], ended) {
                Frame::Record { content, next } => (content, next),
                Frame::Broken { next, .. } => (0, next),
                Frame::More => break,
            };
            if content > 0 {
                splitter.split(&String::from_utf8_lossy(&sample[at..at + content]));
                records.push(splitter.cells().iter().map(|cell| (*cell).to_owned()).collect());
            }
            at += step;
            if records.len() == 1 && header_bytes == 0 {
                header_bytes = at;
            }
        }
        let number = |cell: &String| cell.trim().parse::<f64>().is_ok();
        let Some(first) = records.first() else { return Ok(None) };
        let known =
            settings.header.unwrap_or_else(|| !first.iter().all(|cell| number(cell) || is_missing(cell)));
        let header = names(first, known);
        // A row of another width tells nothing of the columns; it is rejected when it is read.
        let fits = |row: &&Vec<String>| {
            row.len() >= header.len() && row[header.len()..].iter().all(String::is_empty)
        };
        let rows: Vec<&Vec<String>> = records[usize::from(known)..].iter().filter(fits).collect();
        if rows.is_empty() && !ended {
            return Ok(None);
        }
        let facts: Vec<ColumnFacts> = (0..header.len())
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column)).filter(|cell| !is_missing(cell));
                let (mut all, mut numbers, mut times) = (0, 0, 0);
                for cell in cells {
                    all += 1;
                    numbers += usize::from(number(cell));
                    times += usize::from(time::parse(cell).is_ok());
                }
                // Half is enough: a damaged sample must not turn a series into a label.
                ColumnFacts { numeric: numbers * 2 >= all, time: all > 0 && times * 2 >= all }
            })
            .collect();
        let layout = Layout::new(header, &facts, settings)?;
        Ok(Some(Self { splitter, layout, header_bytes: if known { header_bytes } else { 0 } }))
    }

    /// Adds record number `row` (from 0).
    pub(super) fn decode(&mut self, line: &str, row: u64, rows: &mut Rows) -> Result<(), String> {
        self.splitter.split(line);
        let mut cells = self.splitter.cells();
        let columns = self.layout.columns();
        while cells.len() > columns && cells.last().is_some_and(|cell| cell.is_empty()) {
            cells.pop();
        }
        if cells.len() != columns {
            return Err(format!(
                "the row has {} cells, the header {columns}: check separators and quotes",
                cells.len()
            ));
        }
        self.layout.decode(&Record { cells: &cells, line }, row, rows)
    }
}

/// Unique, non-empty names of columns.
fn names(first: &[String], known: bool) -> Vec<String> {
    let mut header: Vec<String> = Vec::with_capacity(first.len());
    for (place, cell) in first.iter().enumerate() {
        let name = if known { cell.trim() } else { "" };
        let name = if name.is_empty() { format!("column_{}", place + 1) } else { name.to_owned() };
        let mut unique = name.clone();
        let mut copy = 0;
        while header.contains(&unique) {
            copy += 1;
            unique = format!("{name}.{copy}");
        }
        header.push(unique);
    }
    header
}
