//! Trace and span ids as hexadecimal text.

/// The id that `text` writes, `N` bytes. Leading zeros may be left out, as some tracers do.
/// `Ok(None)` for an empty text or all zeros, which both mean "no id".
pub(crate) fn id<const N: usize>(text: &str) -> Result<Option<[u8; N]>, String> {
    if let Some(bytes) = whole(text.as_bytes()) {
        return Ok((bytes != [0; N]).then_some(bytes));
    }
    let digits = text.trim().as_bytes();
    if digits.len() > N * 2 {
        return Err(format!(
            "`{}` is not an id of {N} bytes: write at most {} hexadecimal digits (not base64)",
            super::time::excerpt(text),
            N * 2
        ));
    }
    let mut bytes = [0_u8; N];
    for (place, digit) in digits.iter().rev().enumerate() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => {
                return Err(format!(
                    "`{}` is not an id: write hexadecimal digits",
                    super::time::excerpt(text)
                ));
            }
        };
        bytes[N - 1 - place / 2] |= value << (4 * (place % 2));
    }
    Ok(bytes.iter().any(|byte| *byte != 0).then_some(bytes))
}

/// Values of the digits; anything else has a high half.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        values[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// The id that is written with all of its digits.
#[inline]
fn whole<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let (mut bytes, mut wrong) = ([0; N], u8::from(pairs.len() != N || !rest.is_empty()));
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        wrong |= (high | low) & 0xf0;
        *byte = high << 4 | (low & 0x0f);
    }
    (wrong == 0).then_some(bytes)
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids() {
        assert_eq!(id::<2>("0aFf"), Ok(Some([0x0a, 0xff])));
        assert_eq!(id::<2>("a1"), Ok(Some([0, 0xa1])));
        assert!(id::<2>("0agf").is_err());
        assert_eq!(id::<2>(" 0aff "), Ok(Some([0x0a, 0xff])));
        assert_eq!(id::<2>(""), Ok(None));
        assert_eq!(id::<2>("0000"), Ok(None));
        assert!(id::<2>("0aff0").is_err());
        assert!(id::<2>("xy").is_err());
        assert_eq!(text(&[0x0a, 0xff]), "0aff");
    }
}
