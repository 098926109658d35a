//! Arrow batches as bytes, the engine's own and those of others. Equal batches give equal bytes.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use arrow::{
    array::RecordBatch,
    datatypes::Schema,
    error::ArrowError,
    ipc::{Message, reader::StreamReader, root_as_message, writer::StreamWriter},
};

use crate::telemetry::{Telemetry, lacks_trace_state, log_schema, no_trace_state, point_schema, span_schema};

/// One batch as an Arrow IPC stream.
///
/// # Errors
/// If Arrow refuses the batch.
pub fn encode(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    writer.into_inner()
}

fn error(reason: &str) -> ArrowError {
    ArrowError::IpcError(reason.to_owned())
}

/// The reverse of [`encode`].
///
/// # Errors
/// If the bytes are no Arrow IPC stream with exactly one batch and an end mark.
pub fn decode(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    if messages(bytes).map_err(error)? != End::Marked {
        return Err(error(CUT_OFF));
    }
    let mut batches = read(bytes, |_| Ok::<_, ArrowError>(()))?;
    match (batches.pop(), batches.is_empty()) {
        (Some(batch), true) => Ok(batch),
        (None, _) => Err(error("the stream holds no batch")),
        (Some(_), false) => Err(error("the stream holds more than one batch")),
    }
}

/// All batches of a stream that others wrote, if `accept` takes its schema. The end mark may
/// be missing.
///
/// # Errors
/// If the bytes are no Arrow IPC stream, or with what `accept` says.
pub fn decode_stream<E: From<ArrowError>>(
    bytes: &[u8],
    accept: impl FnOnce(&Schema) -> Result<(), E>,
) -> Result<Vec<RecordBatch>, E> {
    messages(bytes).map_err(error)?;
    read(bytes, accept)
}

fn read<E: From<ArrowError>>(
    bytes: &[u8],
    accept: impl FnOnce(&Schema) -> Result<(), E>,
) -> Result<Vec<RecordBatch>, E> {
    let read = || {
        let reader = StreamReader::try_new(Cursor::new(bytes), None)?;
        accept(&reader.schema())?;
        Ok(reader.collect::<Result<_, _>>()?)
    };
    // Arrow panics over types and lengths of columns that make no sense.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(error("its structure makes no sense").into()))
}

/// How a stream ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With the mark that says so.
    Marked,
    /// Behind a message.
    Bare,
}

const CUT_OFF: &str =
    "the stream is cut off, or a message does not fit its length, or it was written before Arrow 0.15";

/// Goes through the messages of a stream up to its end. Arrow takes as much memory as a length
/// announces before it looks for the bytes, those of compressed buffers among them.
fn messages(mut bytes: &[u8]) -> Result<End, &'static str> {
    while !bytes.is_empty() {
        let Some((message, body)) = message(bytes).ok_or(CUT_OFF)? else { return Ok(End::Marked) };
        let batch = message.header_as_record_batch();
        let batch = batch.or_else(|| message.header_as_dictionary_batch().and_then(|batch| batch.data()));
        if batch.is_some_and(|batch| batch.compression().is_some()) {
            return Err("its buffers are compressed: write it without compression");
        }
        bytes = body;
    }
    Ok(End::Bare)
}

/// The message at the front and what is behind its body; `Some(None)` for the end mark.
fn message(bytes: &[u8]) -> Option<Option<(Message<'_>, &[u8])>> {
    let (marker, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = u32::from_le_bytes(*length) as usize;
    match (u32::from_le_bytes(*marker), length) {
        (u32::MAX, 0) => return Some(None),
        (u32::MAX, _) => {}
        _ => return None,
    }
    let (message, rest) = rest.split_at_checked(length)?;
    let message = root_as_message(message).ok()?;
    let body = usize::try_from(message.bodyLength()).ok()?;
    Some(Some((message, rest.get(body..)?)))
}

/// A batch of telemetry from its signal name and bytes.
///
/// # Errors
/// If the signal is none of the three, or the bytes are no batch of its schema.
pub fn decode_telemetry(signal: &[u8], bytes: &[u8]) -> Result<Telemetry, ArrowError> {
    let (schema, telemetry): (_, fn(RecordBatch) -> Telemetry) = match signal {
        b"points" => (point_schema(), Telemetry::Points),
        b"logs" => (log_schema(), Telemetry::Logs),
        b"spans" => (span_schema(), Telemetry::Spans),
        other => {
            return Err(ArrowError::IpcError(format!("`{}` is no signal", String::from_utf8_lossy(other))));
        }
    };
    let mut batch = decode(bytes)?;
    if signal == b"spans" && lacks_trace_state(&batch.schema()) {
        let states = no_trace_state(batch.num_rows());
        let columns = batch.columns().iter().cloned().chain([states]).collect();
        batch = RecordBatch::try_new(schema.clone(), columns)?;
    }
    if batch.schema() != schema {
        return Err(ArrowError::SchemaError("the batch does not have the columns of its signal".to_owned()));
    }
    Ok(telemetry(batch))
}

#[cfg(test)]
mod tests {
    use crate::telemetry::{Histogram, PointBuilder, PointKind, PointRow, Temporality};

    use super::*;

    /// Points with text, numbers, lists and nulls.
    fn points() -> RecordBatch {
        let mut builder = PointBuilder::default();
        let histogram = Histogram {
            count: 3,
            sum: Some(1.5),
            bounds: vec![1.0],
            buckets: vec![2.0, 1.0],
            ..Histogram::default()
        };
        for (at, histogram) in [(1, None), (2, Some(&histogram))] {
            builder.push(&PointRow {
                time: crate::Timestamp(at),
                start_time: None,
                resource: r#"{"service.name":"cart"}"#,
                scope: "{}",
                name: "cpu",
                unit: "1",
                attributes: "{}",
                kind: PointKind::Gauge,
                temporality: Temporality::Unspecified,
                monotonic: false,
                value: histogram.is_none().then_some(0.5),
                histogram,
            });
        }
        builder.finish()
    }

    #[test]
    fn gives_back_what_was_encoded() {
        let bytes = encode(&points()).unwrap();
        assert_eq!(decode_telemetry(b"points", &bytes).unwrap(), Telemetry::Points(points()));
        assert!(decode_telemetry(b"pints", &bytes).unwrap_err().to_string().contains("`pints` is no signal"));
        assert!(decode_telemetry(b"logs", &bytes).unwrap_err().to_string().contains("columns of its signal"));
    }

    #[test]
    fn a_stream_that_is_cut_off_or_goes_on_is_refused() {
        let bytes = encode(&points()).unwrap();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
        // Another batch where the stream should end.
        let mut writer = StreamWriter::try_new(Vec::new(), &points().schema()).unwrap();
        writer.write(&points()).unwrap();
        writer.write(&points()).unwrap();
        writer.finish().unwrap();
        let bytes = writer.into_inner().unwrap();
        assert!(decode(&bytes).is_err());
        // As the streams of others are read, that is well, with and without its end mark.
        for bytes in [&bytes[..], &bytes[..bytes.len() - 8]] {
            let mut columns = 0;
            let batches = decode_stream(bytes, |schema| {
                columns = schema.fields().len();
                Ok::<_, ArrowError>(())
            });
            assert_eq!((batches.unwrap(), columns), (vec![points(), points()], 17));
        }
        let refused = decode_stream(&bytes, |_| Err(error("not this one")));
        assert!(refused.unwrap_err().to_string().contains("not this one"));
    }

    /// Arrow's reader alone panics on hundreds of these, and takes all memory on others.
    #[test]
    fn no_changed_byte_makes_it_panic() {
        let bytes = encode(&points()).unwrap();
        let mut refused = 0;
        for at in 0..bytes.len() {
            for (value, width) in [(0, 1), (0xff, 1), (0x7f, 8)] {
                let mut changed = bytes.clone();
                changed[at..].iter_mut().take(width).for_each(|byte| *byte = value);
                refused += usize::from(decode(&changed).is_err());
            }
        }
        assert!(refused > bytes.len() / 4, "{refused} were refused");
    }
}
