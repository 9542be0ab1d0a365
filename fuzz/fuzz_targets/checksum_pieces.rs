//! Checksums over pieces: however the bytes are cut and in whatever order they come, the digest
//! is that of the whole; with a gap, an overlap or a surplus there is none.

#![no_main]

use dipper_fuzz::crc::naive;
use dipper_wire::{Algorithm, InOrder, Piecewise};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = run(&mut Unstructured::new(input));
});

fn run(input: &mut Unstructured) -> Result<()> {
    let algorithm = *input.choose(&Algorithm::ALL)?;
    let bytes: Vec<u8> = {
        // Long enough for the SIMD code, which starts at some hundred.
        let length = input.int_in_range(0..=700_usize)?;
        let seed: u8 = input.arbitrary()?;
        (0..length).map(|at| seed.wrapping_mul(at as u8) ^ (at >> 3) as u8).collect()
    };
    let block = match input.int_in_range(0..=2_u8)? {
        0 => None,
        1 => Some(input.int_in_range(0..=bytes.len() as u64 + 1)?),
        _ => Some(input.arbitrary()?),
    };

    let mut sum = Piecewise::new(algorithm, bytes.len() as u64, block);
    let mut covered = vec![0_u8; bytes.len()];
    let mut sound = true;
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = input.int_in_range(1..=bytes.len() - at).unwrap_or(1).max(bytes.len() / 50);
        let end = bytes.len().min(at + length);
        let mut piece = sum.piece(at as u64);
        // A piece that was resumed: several updates.
        let middle = input.int_in_range(at..=end).unwrap_or(at);
        piece.update(&bytes[at..middle]);
        assert_eq!(piece.offset(), middle as u64);
        piece.update(&bytes[middle..end]);
        assert_eq!(piece.offset(), end as u64);
        covered[at..end].iter_mut().for_each(|times| *times += 1);
        pieces.push(piece);
        at = end;
    }
    // Sometimes one is missing, comes twice, or lies anywhere.
    match input.int_in_range(0..=9_u8).unwrap_or(0) {
        7 if !pieces.is_empty() => {
            let lost = pieces.swap_remove(input.choose_index(pieces.len())?);
            sound = false;
            drop(lost);
        }
        8 if !pieces.is_empty() => {
            let twice = pieces[input.choose_index(pieces.len())?].clone();
            pieces.push(twice);
            sound = false;
        }
        9 => {
            let mut stray = sum.piece(input.arbitrary()?);
            stray.update(&[1; 100]);
            pieces.push(stray);
            sound = false;
        }
        _ => assert!(covered.iter().all(|times| *times == 1)),
    }
    while !pieces.is_empty() {
        let next = input.choose_index(pieces.len()).unwrap_or(0);
        sum.add(pieces.swap_remove(next));
    }

    let mut in_order = InOrder::new(algorithm, block);
    let middle = bytes.len() / 3;
    in_order.update(&bytes[..middle]);
    in_order.update(&bytes[middle..]);
    let in_order = in_order.finish();
    assert_eq!(in_order.len(), algorithm.digest_length());

    let block = block.filter(|block| *block > 0).map(|block| usize::try_from(block).unwrap());
    let whole = match block {
        None => naive(algorithm, bytes.iter().copied()),
        Some(_) if bytes.is_empty() => {
            naive(algorithm, []).and_then(|digest| naive(algorithm, digest))
        }
        Some(block) => {
            let parts = bytes
                .chunks(block)
                .flat_map(|part| naive(algorithm, part.iter().copied()).unwrap_or_default());
            naive(algorithm, parts.collect::<Vec<u8>>())
        }
    };
    if let Some(whole) = &whole {
        assert_eq!(&in_order, whole);
    }
    assert_eq!(sum.finish(), whole.filter(|_| sound));
    Ok(())
}
