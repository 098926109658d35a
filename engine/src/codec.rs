//! Arrow batches as bytes. Equal batches give equal bytes.

use std::io::Cursor;

use arrow::{
    array::RecordBatch,
    error::ArrowError,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use theriac_contract::Telemetry;

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

/// The reverse of [`encode`].
///
/// # Errors
/// If the bytes are no Arrow IPC stream with exactly one batch.
pub fn decode(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let mut reader = StreamReader::try_new(Cursor::new(bytes), None)?;
    let batch =
        reader.next().ok_or_else(|| ArrowError::IpcError("the stream holds no batch".to_owned()))??;
    match reader.next() {
        None => Ok(batch),
        Some(_) => Err(ArrowError::IpcError("the stream holds more than one batch".to_owned())),
    }
}

/// A batch of telemetry from its signal name and bytes.
///
/// # Errors
/// If the signal is none of the three, or the bytes are no batch.
pub fn decode_telemetry(signal: &[u8], bytes: &[u8]) -> Result<Telemetry, ArrowError> {
    let batch = decode(bytes)?;
    match signal {
        b"points" => Ok(Telemetry::Points(batch)),
        b"logs" => Ok(Telemetry::Logs(batch)),
        b"spans" => Ok(Telemetry::Spans(batch)),
        other => Err(ArrowError::IpcError(format!("`{}` is no signal", String::from_utf8_lossy(other)))),
    }
}
