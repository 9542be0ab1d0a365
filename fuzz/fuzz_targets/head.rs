//! The head of an answer: whatever a server sends, a head is believed only when it says one
//! thing, and it says the same however the bytes arrive.

#![no_main]

use dipper_wire::{Framing, Head, Parsed, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse(bytes);
    // Any bytes that follow a head, or a broken one, change nothing.
    let half = parse(&bytes[..bytes.len() / 2]);
    if !matches!(half, Parsed::Incomplete) && bytes.len() < Head::LONGEST {
        assert_eq!(half, parsed);
    }
    let Parsed::Head(head) = parsed else { return };
    assert!((100..600).contains(&head.status));
    assert!(head.length <= bytes.len() && head.length <= Head::LONGEST);
    assert_eq!(parse(&bytes[..head.length]), Parsed::Head(head.clone()));
    for missing in [1, 2, head.length / 2] {
        assert_eq!(parse(&bytes[..head.length - missing]), Parsed::Incomplete);
    }
    for (name, value) in head.iter() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(value, value.trim_ascii());
        assert!(head.all(name).any(|other| other == value));
        assert!(!value.contains(['\r', '\n', '\0']));
    }
    let _ = head.keeps_alive();
    framing_is_beyond_doubt(&head, &bytes[..head.length]);
});

/// The same question, answered from the raw headers.
fn framing_is_beyond_doubt(head: &Head, bytes: &[u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut answer = httparse::Response::new(&mut headers);
    answer.parse(bytes).expect("it was parsed before");
    let raw = |name: &str| -> Vec<&[u8]> {
        let of_name = answer.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        of_name.map(|header| header.value.trim_ascii()).collect()
    };
    let (lengths, codings) = (raw("content-length"), raw("transfer-encoding"));
    let bodiless = matches!(head.status, 204 | 304);
    match head.framing() {
        Err(why) => assert!(!why.is_empty()),
        Ok(_) if bodiless => {}
        Ok(Framing::Length(length)) => {
            assert!(codings.is_empty() && !lengths.is_empty());
            for text in lengths {
                assert!(text.iter().all(u8::is_ascii_digit));
                let text = std::str::from_utf8(text).expect("digits");
                assert_eq!(text.parse(), Ok(length));
            }
        }
        Ok(Framing::Chunked) => {
            assert!(lengths.is_empty());
            assert!(codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked"));
        }
        Ok(Framing::UntilClose) => assert!(codings.is_empty() && lengths.is_empty()),
    }
}
