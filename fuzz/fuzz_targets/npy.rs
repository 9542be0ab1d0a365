//! Headers of `.npy` files: the same bytes say the same however much of them is there at once, what
//! is accepted can be written down and read again, and numbers of every kind are decoded. The
//! first byte says how the rest becomes a file: as it is, or behind the start that every file has.

#![no_main]

use dipper_wire::{NpyElement, NpyHead, NpyHeader, npy_head, npy_header_of};
use libfuzzer_sys::fuzz_target;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads as the loader does: only as much as is asked for.
fn piecewise(file: &[u8]) -> Option<NpyHeader> {
    let mut there = 0;
    loop {
        match npy_head(&file[..there]) {
            Ok(NpyHead::Complete(header)) => return Some(header),
            Ok(NpyHead::Needs(needed)) => {
                assert!(needed > there, "it asks for what is there");
                assert!(needed < 1 << 24, "it asks for too much");
                if needed > file.len() {
                    return None;
                }
                there = needed;
            }
            Err(error) => {
                assert!(error.0.len() < 4096, "an error is not the file");
                return None;
            }
        }
    }
}

fn descr(header: &NpyHeader) -> String {
    let order = if header.big_endian { '>' } else { '<' };
    format!("{order}f{}", header.element.size())
}

fuzz_target!(|input: &[u8]| {
    let Some((form, rest)) = input.split_first() else { return };
    let file = match form % 4 {
        0 => rest.to_vec(),
        // A dictionary behind the start and a length that is right, in each version.
        version => {
            let length = rest.len() as u32;
            let width = if version == 1 { 2 } else { 4 };
            [MAGIC, &[version, 0], &length.to_le_bytes()[..width], rest].concat()
        }
    };
    let whole = match npy_head(&file) {
        Ok(NpyHead::Complete(header)) => Some(header),
        Ok(NpyHead::Needs(needed)) => {
            assert!(needed > file.len());
            None
        }
        Err(_) => None,
    };
    assert_eq!(piecewise(&file), whole);
    let Some(header) = whole else { return };
    assert!(header.start <= file.len() && header.shape.len() <= 64);

    let shape: String = header.shape.iter().map(|count| format!("{count},")).collect();
    let order = if header.fortran_order { "True" } else { "False" };
    let said =
        format!("{{'descr':'{}','fortran_order':{order},'shape':({shape})}}", descr(&header));
    let written = [MAGIC, &[2, 0], &(said.len() as u32).to_le_bytes(), said.as_bytes()].concat();
    let again = NpyHeader { start: written.len(), ..header.clone() };
    assert_eq!(npy_head(&written), Ok(NpyHead::Complete(again)));

    if let [rows, columns] = *header.shape {
        let written = npy_header_of(rows, columns);
        let plain = NpyHeader {
            start: written.len(),
            element: NpyElement::F32,
            big_endian: false,
            fortran_order: false,
            shape: header.shape.clone(),
        };
        assert_eq!(npy_head(&written), Ok(NpyHead::Complete(plain)));
    }

    let stored = &file[header.start..];
    let mut numbers = vec![0.25; stored.len() / header.element.size() + 1];
    header.element.decode(stored, header.big_endian, &mut numbers);
    assert_eq!(numbers.last(), Some(&0.25), "beyond what is there nothing is written");
});
