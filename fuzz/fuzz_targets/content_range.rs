//! `Content-Range`: what is accepted is a range that lies within its whole, and writing it down
//! and reading it again changes nothing.

#![no_main]

use dipper_wire::ContentRange;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &str| {
    let Some(range) = ContentRange::parse(value) else { return };
    let written = match range {
        ContentRange::Part { first, last, size } => {
            assert!(first <= last && size.is_none_or(|size| last < size));
            let size = size.map_or("*".to_owned(), |size| size.to_string());
            format!("bytes {first}-{last}/{size}")
        }
        ContentRange::Unsatisfied { size } => format!("bytes */{size}"),
    };
    assert_eq!(ContentRange::parse(&written), Some(range));
});
