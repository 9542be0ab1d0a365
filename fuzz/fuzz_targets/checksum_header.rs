//! Checksums as a server promises them: a value that is accepted has one meaning and one
//! spelling.

#![no_main]

use dipper_wire::{Algorithm, Expected};
use libfuzzer_sys::fuzz_target;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |place: usize| u32::from(*group.get(place).unwrap_or(&0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fuzz_target!(|value: &str| {
    let mut accepted = 0;
    for algorithm in Algorithm::ALL {
        let Some(expected) = Expected::parse(algorithm, value) else { continue };
        accepted += 1;
        assert_eq!(expected.algorithm, algorithm);
        assert_eq!(expected.digest.len(), algorithm.digest_length());
        assert!(expected.parts.is_none_or(|parts| (1..=10_000).contains(&parts)));
        let parts = expected.parts.map(|parts| format!("-{parts}")).unwrap_or_default();
        let written = base64(&expected.digest) + &parts;
        assert_eq!(written, value.trim_matches([' ', '\t']));
        assert_eq!(Expected::parse(algorithm, &written), Some(expected));
    }
    // The lengths differ, but for the two CRCs of 32 bits.
    assert!(accepted <= 2);
});
