//! An answer as text.

use datafusion::arrow::{
    array::RecordBatch,
    datatypes::DataType,
    error::ArrowError,
    util::{
        display::{ArrayFormatter, FormatOptions},
        pretty::pretty_format_batches,
    },
};
use serde_json::Value;

/// A table with a frame, for people.
///
/// # Errors
/// If a value has no text.
pub fn text_table(batches: &[RecordBatch]) -> Result<String, ArrowError> {
    Ok(pretty_format_batches(batches)?.to_string())
}

/// One JSON object for each row, members in the order of the columns; numbers and flags as such,
/// all else as text, nothing as `null`.
///
/// # Errors
/// If a value has no text.
pub fn json_lines(batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let mut out = String::new();
    let options = FormatOptions::default();
    for batch in batches {
        let schema = batch.schema();
        let columns: Vec<_> = schema.fields().iter().zip(batch.columns()).collect();
        let formatters = columns.iter().map(|(_, array)| ArrayFormatter::try_new(array.as_ref(), &options));
        let formatters = formatters.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let mut members = Vec::with_capacity(columns.len());
            for ((field, array), formatter) in columns.iter().zip(&formatters) {
                let text = formatter.value(row).try_to_string()?;
                let bare = field.data_type().is_numeric() || field.data_type() == &DataType::Boolean;
                let value = if array.is_null(row) {
                    Value::Null
                } else if bare {
                    serde_json::from_str(&text).unwrap_or(Value::Null)
                } else {
                    Value::String(text)
                };
                members.push(format!("{}:{value}", Value::from(field.name().as_str())));
            }
            out.push_str(&format!("{{{}}}\n", members.join(",")));
        }
    }
    Ok(out)
}
