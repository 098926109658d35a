//! Bad records of one payload, noted up to a limit.

use super::{BadRecord, Rows};

/// Bad records of one payload that are noted one by one. An empty record takes two bytes, and
/// what is said of it a hundred times as much.
const NOTED_MAX: usize = 4096;

/// Notes the bad records of a payload.
pub(crate) struct Noted<'p> {
    payload: &'p [u8],
    /// Bad records of other payloads before.
    before: usize,
    /// Bad records that were not noted.
    beyond: u64,
}

impl<'p> Noted<'p> {
    pub(crate) const fn new(payload: &'p [u8], rows: &Rows) -> Self {
        Self { payload, before: rows.bad.len(), beyond: 0 }
    }

    /// Notes the record `raw`, a part of the payload.
    pub(crate) fn note(
        &mut self,
        bad: &mut Vec<BadRecord>,
        raw: &[u8],
        path: impl FnOnce() -> String,
        reason: String,
    ) {
        if bad.len() - self.before >= NOTED_MAX {
            self.beyond += 1;
            return;
        }
        // Pieces that had to be put together lie elsewhere.
        let start = (raw.as_ptr() as usize).checked_sub(self.payload.as_ptr() as usize);
        let offset = start.filter(|start| start + raw.len() <= self.payload.len()).unwrap_or(0);
        bad.push(BadRecord { offset, path: path(), reason, bytes: raw.to_vec() });
    }

    /// Says how many were not noted.
    pub(crate) fn finish(self, rows: &mut Rows) {
        if self.beyond > 0 {
            rows.bad.push(beyond(self.beyond));
        }
    }
}

fn beyond(count: u64) -> BadRecord {
    let reason = format!(
        "{count} more records of this payload could not be decoded; the first {NOTED_MAX} are listed"
    );
    BadRecord { offset: 0, path: String::new(), reason, bytes: Vec::new() }
}

/// Keeps the first of the bad records that were noted since there were `before`.
pub(crate) fn limit(rows: &mut Rows, before: usize) {
    let noted = rows.bad.len().saturating_sub(before);
    // One more than that says how many there are beyond them.
    if noted > NOTED_MAX + 1 {
        rows.bad.truncate(before + NOTED_MAX);
        rows.bad.push(beyond((noted - NOTED_MAX) as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_limit_is_counted() {
        let payload = [1, 2, 3];
        let mut rows = Rows::default();
        let mut noted = Noted::new(&payload, &rows);
        for _ in 0..NOTED_MAX + 2 {
            noted.note(&mut rows.bad, &payload[1..2], || "path".to_owned(), "bad".to_owned());
        }
        noted.note(&mut rows.bad, &[7], || "elsewhere".to_owned(), "bad".to_owned());
        noted.finish(&mut rows);
        assert_eq!(rows.bad.len(), NOTED_MAX + 1);
        let first = BadRecord { offset: 1, path: "path".into(), reason: "bad".into(), bytes: vec![2] };
        assert_eq!(rows.bad[0], first);
        assert!(rows.bad[NOTED_MAX].reason.starts_with("3 more records"));
        limit(&mut rows, 0);
        assert_eq!(rows.bad.len(), NOTED_MAX + 1);
        rows.bad.extend([first.clone(), first]);
        limit(&mut rows, 2);
        assert_eq!(rows.bad.len(), NOTED_MAX + 3);
        limit(&mut rows, 0);
        assert_eq!(rows.bad.len(), NOTED_MAX + 1);
    }
}
