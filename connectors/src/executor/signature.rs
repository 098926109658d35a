//! Signatures of requests: HMAC-SHA256 (RFC 2104, FIPS 198-1) over the time and the body,
//! `t=<seconds since 1970>,v1=<hex of HMAC(secret, "<seconds>.<body>")>`. The time is
//! signed, too, so that a receiver can refuse what was recorded and is sent again.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use theriac_contract::Timestamp;

/// HMAC-SHA256 as lower-case hex.
#[must_use]
pub fn hmac_hex(secret: &[u8], parts: &[&[u8]]) -> String {
    // HMAC takes keys of every length; the error type is that of keyed ciphers.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The value of the header `Theriac-Signature`.
#[must_use]
pub fn header(secret: &[u8], at: Timestamp, body: &[u8]) -> String {
    let seconds = at.0.div_euclid(1_000_000_000).to_string();
    let mac = hmac_hex(secret, &[seconds.as_bytes(), b".", body]);
    format!("t={seconds},v1={mac}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_4231() {
        // RFC 4231, test cases 1, 2 and 6 (a key longer than a block).
        let cases: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, data, expected) in cases {
            assert_eq!(hmac_hex(key, &[data]), expected);
        }
    }

    #[test]
    fn agrees_with_python() {
        // python3: hmac.new(b"secret", b'1700000000.{"a":1}', "sha256").hexdigest()
        let at = Timestamp::from_seconds(1_700_000_000);
        assert_eq!(
            header(b"secret", at, br#"{"a":1}"#),
            "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }
}
