//! Chunked bodies: however the bytes arrive, the same body comes out, and nothing behind its end
//! is taken.

#![no_main]

use dipper_wire::Chunked;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (length, bytes) = input;
    let (mut chunked, mut body) = (Chunked::new(), Vec::new());
    let whole = chunked.decode(&bytes, &mut body);
    assert!(body.len() <= bytes.len());

    let (mut again, mut pieces) = (Chunked::new(), Vec::new());
    let mut used = 0;
    let mut failed = None;
    for piece in bytes.chunks(usize::from(length) + 1) {
        match again.decode(piece, &mut pieces) {
            Ok(taken) => {
                used += taken;
                if taken < piece.len() {
                    assert!(again.is_done());
                    break;
                }
            }
            Err(why) => {
                failed = Some(why);
                break;
            }
        }
    }
    assert_eq!(body, pieces);
    match whole {
        Err(why) => assert_eq!(failed, Some(why)),
        Ok(taken) => {
            assert_eq!((failed, used, again.is_done()), (None, taken, chunked.is_done()));
            assert!(chunked.is_done() || taken == bytes.len());
            if chunked.is_done() {
                let (mut exact, mut same) = (Chunked::new(), Vec::new());
                assert_eq!(exact.decode(&bytes[..taken], &mut same), Ok(taken));
                assert!(exact.is_done() && same == body);
            }
        }
    }
});
