//! A protobuf writer of a few lines, for messages that no generated encoder writes.

/// A number as a varint.
pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of eight fixed bytes.
pub(crate) fn fixed(number: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(number) << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

/// A double.
pub(crate) fn double(number: u32, value: f64) -> Vec<u8> {
    fixed(number, value.to_bits())
}

/// Text, bytes or a message.
pub(crate) fn bytes(number: u32, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(u64::from(number) << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

/// A message of these fields.
pub(crate) fn message(number: u32, fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(number, fields.concat())
}

/// One resource with one scope around records.
pub(crate) fn request(records: &[Vec<u8>]) -> Vec<u8> {
    let scope = message(1, &[bytes(1, "shop")]);
    message(1, &[message(1, &[attribute(1, "service.name", "cart")]), message(2, &[scope, records.concat()])])
}

/// A text attribute.
pub(crate) fn attribute(number: u32, key: &str, value: &str) -> Vec<u8> {
    message(number, &[bytes(1, key), message(2, &[bytes(1, value)])])
}

/// A log record.
pub(crate) fn log(time: u64, body: &str) -> Vec<u8> {
    message(2, &[fixed(1, time), message(5, &[bytes(1, body)])])
}

/// A gauge with one point.
pub(crate) fn gauge(name: &str, time: u64, value: f64) -> Vec<u8> {
    message(2, &[bytes(1, name), message(5, &[message(1, &[fixed(3, time), double(4, value)])])])
}

/// A span.
pub(crate) fn span(name: &str, start: u64, end: u64) -> Vec<u8> {
    message(2, &[bytes(1, [1; 16]), bytes(2, [2; 8]), bytes(5, name), fixed(7, start), fixed(8, end)])
}
