//! Listings: whatever a server sends, the parser ends, and what it takes for a listing has lines
//! with names, none more than the document has room for.

#![no_main]

use dipper_wire::{Line, Listing, decode_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(listing) = Listing::parse(bytes) else { return };
    // The shortest line there is: `<Upload><Key>k</Key></Upload>`, or a prefix within a group.
    assert!(listing.lines.len() <= bytes.len() / 16);
    for line in &listing.lines {
        assert!(!line.name.is_empty());
        assert!(line.name.len() <= bytes.len());
        if line.line == Line::Prefix {
            assert!(line.etag.is_none() && line.id.is_none() && line.size == 0);
        }
        let mut name = line.name.clone();
        decode_name(&mut name);
        assert!(name.len() <= line.name.len());
    }
    // A document that goes on behind its end, or breaks off before it, is another one.
    let end = bytes.iter().rposition(|byte| *byte == b'>').expect("the root's end");
    assert!(Listing::parse(&bytes[..end]).is_err());
    assert_eq!(Listing::parse(bytes), Ok(listing));
});
