//! Base64 as OTLP/JSON writes bytes: the standard alphabet, padded (RFC 4648, section 4).

/// Appends the digits of `bytes` to `out`.
pub(crate) fn write(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for piece in bytes.chunks(3) {
        let byte = |at: usize| u32::from(piece.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= piece.len() { char::from(digit) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn writes_the_vectors_of_rfc_4648() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = String::new();
            super::write(bytes.as_bytes(), &mut out);
            assert_eq!(out, expected);
        }
    }
}
