//! Protobuf's wire format: the fields of one message, borrowed from its bytes.
//!
//! After "Encoding", <https://protobuf.dev/programming-guides/encoding/>. Groups are refused:
//! nothing that is read here has any. A known field of another wire type is an error, as it is
//! for generated decoders; whether a field is known is for the caller to say.

use std::borrow::Cow;

/// Entries of one list beyond which a message is refused: no exporter comes near it, and it
/// bounds what one payload can ask for.
pub(crate) const LIST_MAX: usize = 1 << 20;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'p> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: text, bytes, a message, or numbers one after the other.
    Bytes(&'p [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the bytes end in the middle of a field: the message was cut off, or a length in it is wrong")]
    CutOff,
    #[error("a number does not fit 64 bits")]
    Varint,
    #[error("a field has the number {0}; protobuf's go from 1 to 536870911")]
    Number(u64),
    #[error("field {0} is a group, which no message here has")]
    Group(u32),
    #[error("field {0} has a wire type that protobuf does not have")]
    WireType(u32),
}

impl From<WireError> for String {
    fn from(error: WireError) -> Self {
        error.to_string()
    }
}

/// The number at the front of `bytes`, and its length.
#[inline(never)]
fn varint(bytes: &[u8]) -> Result<(u64, usize), WireError> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            // The tenth byte has room for one bit.
            return if at == 9 && *byte > 1 { Err(WireError::Varint) } else { Ok((number, at + 1)) };
        }
    }
    Err(if bytes.len() < 10 { WireError::CutOff } else { WireError::Varint })
}

/// The fields of a message, in the order in which they stand.
#[derive(Clone)]
pub(crate) struct Fields<'p> {
    message: &'p [u8],
    at: usize,
}

impl<'p> Fields<'p> {
    pub(crate) const fn new(message: &'p [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Where the next field begins.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Goes on with the field that begins there.
    #[inline]
    pub(crate) const fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    #[inline(always)]
    fn number(&mut self) -> Result<u64, WireError> {
        // Most numbers take one byte or two.
        let (number, length) = match &self.message[self.at..] {
            [byte @ 0..0x80, ..] => (u64::from(*byte), 1),
            [low, high @ 0..0x80, ..] => (u64::from(*low & 0x7f) | u64::from(*high) << 7, 2),
            rest => varint(rest)?,
        };
        self.at += length;
        Ok(number)
    }

    #[inline(always)]
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, _) = self.message[self.at..].split_first_chunk::<N>().ok_or(WireError::CutOff)?;
        self.at += N;
        Ok(*bytes)
    }

    /// Number and value of the next field.
    // Not inlined, it writes what it returns to memory in smaller pieces than are read there,
    // which costs more than all else it does.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'p>)>, WireError> {
        if self.at == self.message.len() {
            return Ok(None);
        }
        let tag = self.number()?;
        let number = match u32::try_from(tag) {
            Ok(tag) if tag >= 8 => tag >> 3,
            _ => return Err(WireError::Number(tag >> 3)),
        };
        let value = match tag & 7 {
            0 => Value::Varint(self.number()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.bytes()?)),
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| WireError::CutOff)?;
                let rest = &self.message[self.at..];
                let bytes = rest.get(..length).ok_or(WireError::CutOff)?;
                self.at += length;
                Value::Bytes(bytes)
            }
            3 | 4 => return Err(WireError::Group(number)),
            5 => Value::Fixed32(u32::from_le_bytes(self.bytes()?)),
            _ => return Err(WireError::WireType(number)),
        };
        Ok(Some((number, value)))
    }
}

impl<'p> Value<'p> {
    #[cold]
    fn wrong(self, name: &str, wanted: &str) -> String {
        let given = match self {
            Self::Varint(_) => "a varint",
            Self::Fixed64(_) => "eight fixed bytes",
            Self::Bytes(_) => "length-delimited",
            Self::Fixed32(_) => "four fixed bytes",
        };
        format!("`{name}` is {given} on the wire, not {wanted}")
    }

    #[inline]
    pub(crate) fn varint(self, name: &str) -> Result<u64, String> {
        match self {
            Self::Varint(number) => Ok(number),
            other => Err(other.wrong(name, "a varint")),
        }
    }

    /// An `int32` or enum; higher bits are dropped, as every decoder does.
    #[inline]
    pub(crate) fn int32(self, name: &str) -> Result<i32, String> {
        self.varint(name).map(|number| number as i32)
    }

    /// A `sint32`.
    pub(crate) fn sint32(self, name: &str) -> Result<i32, String> {
        self.varint(name).map(|number| zigzag(u64::from(number as u32)) as i32)
    }

    #[inline]
    pub(crate) fn fixed64(self, name: &str) -> Result<u64, String> {
        match self {
            Self::Fixed64(number) => Ok(number),
            other => Err(other.wrong(name, "eight fixed bytes")),
        }
    }

    #[inline]
    pub(crate) fn double(self, name: &str) -> Result<f64, String> {
        self.fixed64(name).map(f64::from_bits)
    }

    #[inline]
    pub(crate) fn bytes(self, name: &str) -> Result<&'p [u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(other.wrong(name, "length-delimited")),
        }
    }

    #[inline]
    pub(crate) fn text(self, name: &str) -> Result<&'p str, String> {
        let bytes = self.bytes(name)?;
        std::str::from_utf8(bytes)
            .map_err(|error| format!("`{name}` is not UTF-8 at its byte {}", error.valid_up_to()))
    }

    /// Adds a repeated field of eight fixed bytes: one entry, or many packed.
    pub(crate) fn fixed64s<T>(self, name: &str, into: &mut Vec<T>, map: fn(u64) -> T) -> Result<(), String> {
        match self {
            Self::Fixed64(number) => {
                room(name, into.len(), 1)?;
                into.push(map(number));
            }
            Self::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(format!("`{name}` has {} bytes, which is no multiple of 8", bytes.len()));
                }
                room(name, into.len(), numbers.len())?;
                into.extend(numbers.iter().map(|number| map(u64::from_le_bytes(*number))));
            }
            other => return Err(other.wrong(name, "a list of eight fixed bytes each")),
        }
        Ok(())
    }

    /// Adds a repeated varint field: one entry, or many packed.
    pub(crate) fn varints<T>(self, name: &str, into: &mut Vec<T>, map: fn(u64) -> T) -> Result<(), String> {
        match self {
            Self::Varint(number) => {
                room(name, into.len(), 1)?;
                into.push(map(number));
            }
            Self::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    room(name, into.len(), 1)?;
                    let (number, length) = varint(bytes).map_err(|error| format!("`{name}`: {error}"))?;
                    into.push(map(number));
                    bytes = &bytes[length..];
                }
            }
            other => return Err(other.wrong(name, "a list of varints")),
        }
        Ok(())
    }
}

/// Whether a list takes `more` entries.
#[inline]
pub(crate) fn room(name: &str, held: usize, more: usize) -> Result<(), String> {
    if held + more > LIST_MAX { Err(too_many(name)) } else { Ok(()) }
}

#[cold]
fn too_many(name: &str) -> String {
    format!("`{name}` has more than {LIST_MAX} entries, which is the limit")
}

/// A signed number as `sint32` and `sint64` write it.
pub(crate) const fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Adds one more piece of a message field. A field that stands twice is one message: the
/// bytes of a merged message are the bytes of its pieces behind each other.
pub(crate) fn merge<'p>(held: &mut Option<Cow<'p, [u8]>>, piece: &'p [u8]) {
    match held {
        Some(held) => held.to_mut().extend_from_slice(piece),
        None => *held = Some(Cow::Borrowed(piece)),
    }
}

/// The bytes of all fields of one number, tags included. As a rule they stand together and
/// are borrowed.
pub(crate) struct Run<'p> {
    message: &'p [u8],
    start: usize,
    end: usize,
    scattered: Vec<u8>,
}

impl<'p> Run<'p> {
    pub(crate) const fn new(message: &'p [u8]) -> Self {
        Self { message, start: 0, end: 0, scattered: Vec::new() }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Adds the field that takes the bytes from `start` to `end`.
    #[inline]
    pub(crate) fn add(&mut self, start: usize, end: usize) {
        if self.end == 0 {
            (self.start, self.end) = (start, end);
        } else if self.scattered.is_empty() && self.end == start {
            self.end = end;
        } else {
            if self.scattered.is_empty() {
                self.scattered.extend_from_slice(&self.message[self.start..self.end]);
            }
            self.scattered.extend_from_slice(&self.message[start..end]);
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.scattered.is_empty() { &self.message[self.start..self.end] } else { &self.scattered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, WireError> {
        let mut fields = Fields::new(message);
        let mut found = Vec::new();
        while let Some(field) = fields.next()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn reads_every_wire_type() {
        let message = [
            &[0x08, 0x96, 0x01][..],
            &[0x12, 0x02, b'h', b'i'],
            &[0x19, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0x25, 2, 0, 0, 0],
        ]
        .concat();
        let expected = vec![
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed64(1)),
            (4, Value::Fixed32(2)),
        ];
        assert_eq!(all(&message), Ok(expected));
    }

    #[test]
    fn refuses_what_is_no_message() {
        assert_eq!(all(&[0x08]), Err(WireError::CutOff));
        assert_eq!(all(&[0x12, 0x05, 1]), Err(WireError::CutOff));
        assert_eq!(all(&[0x19, 1, 2, 3]), Err(WireError::CutOff));
        assert_eq!(all(&[0x0b]), Err(WireError::Group(1)));
        assert_eq!(all(&[0x0c]), Err(WireError::Group(1)));
        assert_eq!(all(&[0x0e]), Err(WireError::WireType(1)));
        assert_eq!(all(&[0x02, 0x00]), Err(WireError::Number(0)));
        assert_eq!(all(&[&[0x08][..], &[0xff; 11]].concat()), Err(WireError::Varint));
        assert_eq!(
            all(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
            Err(WireError::Varint)
        );
        let largest = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(all(&largest), Ok(vec![(1, Value::Varint(u64::MAX))]));
        // A length beyond every address.
        assert_eq!(all(&[&[0x0a][..], &largest[1..]].concat()), Err(WireError::CutOff));
    }

    #[test]
    fn signed_numbers_alternate() {
        assert_eq!([0, 1, 2, 3, u64::MAX].map(zigzag), [0, -1, 1, -2, i64::MIN]);
        assert_eq!(Value::Varint(u64::from(u32::MAX)).sint32("scale"), Ok(i32::MIN));
    }

    #[test]
    fn lists_are_packed_or_not() {
        let mut packed = Vec::new();
        Value::Bytes(&[1, 0x96, 0x01]).varints("list", &mut packed, |n| n).unwrap();
        Value::Varint(7).varints("list", &mut packed, |n| n).unwrap();
        assert_eq!(packed, [1, 150, 7]);
        let mut fixed = Vec::new();
        Value::Bytes(&[1, 0, 0, 0, 0, 0, 0, 0]).fixed64s("list", &mut fixed, |n| n).unwrap();
        Value::Fixed64(2).fixed64s("list", &mut fixed, |n| n).unwrap();
        assert_eq!(fixed, [1, 2]);
        assert!(
            Value::Bytes(&[1, 2]).fixed64s("list", &mut fixed, |n| n).unwrap_err().contains("multiple of 8")
        );
        assert!(Value::Bytes(&[0x80]).varints("list", &mut packed, |n| n).is_err());
        let mut full = vec![0; LIST_MAX];
        assert!(Value::Varint(7).varints("list", &mut full, |n| n).unwrap_err().contains("limit"));
    }

    #[test]
    fn fields_that_stand_apart_are_put_together() {
        let message = [0x08, 1, 0x08, 2, 0x10, 3, 0x08, 4];
        let mut run = Run::new(&message);
        run.add(0, 2);
        run.add(2, 4);
        assert_eq!(run.bytes(), [0x08, 1, 0x08, 2]);
        run.add(6, 8);
        assert_eq!(run.bytes(), [0x08, 1, 0x08, 2, 0x08, 4]);
    }
}
